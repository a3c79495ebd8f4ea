/* A collector that writes down how it is called. Built by test_collector.py. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "underspan.h"

static FILE *out(void) {
    static FILE *file;
    if (!file) {
        file = fopen(getenv("COLLECTOR_DOUBLE_LOG"), "w");
        setvbuf(file, NULL, _IONBF, 0);
    }
    return file;
}

/* COLLECTOR_DOUBLE_SCRIPT holds one letter for each begin: o(k) k(eyframe) n(ot recording)
 * r(efuse) m(embers asks for a keyframe); the last one counts for all that follow. */
static char script(int advance) {
    static size_t at;
    static char now = 'o';
    const char *letters = getenv("COLLECTOR_DOUBLE_SCRIPT");
    if (advance && letters && letters[at]) now = letters[at++];
    return now;
}

static void bytes(const char *what, const uint8_t *data, size_t length) {
    fprintf(out(), "%s ", what);
    for (size_t i = 0; i < length; i++) fprintf(out(), "%02x", data[i]);
    fprintf(out(), "\n");
}

int underspan_hook_abi_version(void) {
    const char *version = getenv("COLLECTOR_DOUBLE_VERSION");
    return version ? atoi(version) : UNDERSPAN_HOOK_ABI_VERSION;
}

int underspan_step_begin(uint64_t step_id, uint32_t n_members, uint32_t flags) {
    char letter = flags & UNDERSPAN_STEP_CONTINUES ? script(0) : script(1);
    fprintf(out(), "begin %llu %u %u\n", (unsigned long long)step_id, n_members, flags);
    return letter == 'k' ? UNDERSPAN_WANT_KEYFRAME
        : letter == 'n' ? UNDERSPAN_NOT_RECORDING
        : letter == 'r' ? UNDERSPAN_REFUSED : UNDERSPAN_OK;
}

int underspan_members(const uint8_t *delta, size_t length) {
    bytes("members", delta, length);
    return script(0) == 'm' ? UNDERSPAN_WANT_KEYFRAME : UNDERSPAN_OK;
}

int underspan_step_end(uint64_t step_id) {
    fprintf(out(), "end %llu\n", (unsigned long long)step_id);
    return UNDERSPAN_OK;
}

int underspan_request(const uint8_t *record, size_t length) {
    bytes("request", record, length);
    return UNDERSPAN_OK;
}

int underspan_note(const uint8_t *text, size_t length) {
    bytes("note", text, length);
    return UNDERSPAN_OK;
}
