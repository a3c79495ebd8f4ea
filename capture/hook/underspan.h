/* What the collector exports for the Python hook. Version 1.
 *
 * The hook looks for a loaded library (never loads one) by the path in UNDERSPAN_COLLECTOR, or else
 * CUDA_INJECTION64_PATH, and calls these functions from the thread that runs the engine's step. It
 * calls them with the interpreter lock held: each must return within microseconds and must not
 * call back into Python.
 *
 * Every function returns one of the codes below. A negative code makes the hook go back to its file
 * for the rest of the process. All pointers are valid during the call only. README.md describes
 * the bytes behind them.
 */
#ifndef UNDERSPAN_H
#define UNDERSPAN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define UNDERSPAN_HOOK_ABI_VERSION 1

/* The record was taken. */
#define UNDERSPAN_OK 0
/* Taken, but the collector lacks what deltas build upon: the next delta must be a keyframe. It may
 * be the delta of this very step, when underspan_step_begin says so. */
#define UNDERSPAN_WANT_KEYFRAME 1
/* Nothing is recorded now. From underspan_step_begin: underspan_members is not called for this
 * step, and the next step that is recorded begins with a keyframe. */
#define UNDERSPAN_NOT_RECORDING 2
/* The call cannot be served, now or later. */
#define UNDERSPAN_REFUSED (-1)

/* Flags of a step. Bits 0 to 3: what the engine calls it. */
#define UNDERSPAN_STEP_MODE_MASK 15u
#define UNDERSPAN_STEP_MODE_UNKNOWN 0u
#define UNDERSPAN_STEP_MODE_PREFILL 1u
#define UNDERSPAN_STEP_MODE_DECODE 2u
#define UNDERSPAN_STEP_MODE_MIXED 3u
/* No forward pass. The batch stays as it was; the delta only carries events. */
#define UNDERSPAN_STEP_EMPTY (1u << 4)
/* Draft tokens are verified. */
#define UNDERSPAN_STEP_SPECULATIVE (1u << 5)
/* The step of this id goes on: its sampling, after its forward pass returned. No
 * underspan_members follows. */
#define UNDERSPAN_STEP_CONTINUES (1u << 6)

/* UNDERSPAN_HOOK_ABI_VERSION of the collector. With any other answer the hook writes its file. */
int underspan_hook_abi_version(void);

/* A step begins on this thread. Ids count up from 0 in each process, over all its engines; ranks
 * that run the same steps give them the same ids. Steps of one thread do not overlap. */
int underspan_step_begin(uint64_t step_id, uint32_t n_members, uint32_t flags);

/* The delta payload of the step that this thread began last. */
int underspan_members(const uint8_t *delta, size_t length);

/* The step, or its sampling, has been issued. */
int underspan_step_end(uint64_t step_id);

/* A request record. From any thread. */
int underspan_request(const uint8_t *record, size_t length);

/* A note: UTF-8 JSON, an object with the key "event". From any thread. The first one is the
 * process's own. */
int underspan_note(const uint8_t *text, size_t length);

#ifdef __cplusplus
}
#endif

#endif
