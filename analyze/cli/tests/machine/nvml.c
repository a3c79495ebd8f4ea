// An NVML with two GPUs: number 0 is held down by heat, number 1 does not tell its power.
#include <string.h>
typedef unsigned int u32;
typedef unsigned long long u64;
enum { OK = 0, NOT_SUPPORTED = 3, NOT_FOUND = 6, SMALL = 7 };
static long index_of(void *d) { return (long)d - 1; }
int nvmlInit_v2(void) { return OK; }
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int r) { (void)r; return "an error"; }
int nvmlSystemGetDriverVersion(char *s, u32 n) { (void)n; strcpy(s, "570.1"); return OK; }
int nvmlDeviceGetCount_v2(u32 *n) { *n = 2; return OK; }
int nvmlDeviceGetHandleByIndex_v2(u32 i, void **d) { *d = (void *)(long)(i + 1); return OK; }
int nvmlDeviceGetName(void *d, char *s, u32 n) { (void)d; (void)n; strcpy(s, "Double GPU"); return OK; }
int nvmlDeviceGetUUID(void *d, char *s, u32 n) {
    (void)n; strcpy(s, index_of(d) ? "GPU-1" : "GPU-0"); return OK;
}
int nvmlDeviceGetCudaComputeCapability(void *d, int *major, int *minor) {
    (void)d; *major = 9; *minor = 0; return OK;
}
int nvmlDeviceGetClockInfo(void *d, u32 type, u32 *mhz) {
    *mhz = type == 1 ? (index_of(d) ? 1980 : 1200) : 2619; return OK;
}
int nvmlDeviceGetMaxClockInfo(void *d, u32 type, u32 *mhz) {
    (void)d; *mhz = type == 1 ? 1980 : 2619; return OK;
}
int nvmlDeviceGetCurrentClocksThrottleReasons(void *d, u64 *bits) {
    *bits = index_of(d) ? 0 : 0x20; return OK;
}
int nvmlDeviceGetPowerUsage(void *d, u32 *mw) {
    if (index_of(d)) return NOT_SUPPORTED;
    *mw = 312500; return OK;
}
int nvmlDeviceGetEnforcedPowerLimit(void *d, u32 *mw) { (void)d; *mw = 700000; return OK; }
int nvmlDeviceGetPowerManagementLimit(void *d, u32 *mw) { (void)d; *mw = 700000; return OK; }
int nvmlDeviceGetTemperature(void *d, u32 sensor, u32 *c) { (void)d; (void)sensor; *c = 88; return OK; }
int nvmlDeviceGetUtilizationRates(void *d, u32 *rates) { (void)d; rates[0] = 97; rates[1] = 41; return OK; }
int nvmlDeviceGetMemoryInfo_v2(void *d, u64 *m) {
    (void)d; m[1] = 80ull << 30; m[2] = 0; m[3] = 30ull << 30; m[4] = 50ull << 30; return OK;
}
int nvmlDeviceGetMigMode(void *d, u32 *now, u32 *then) { *now = *then = index_of(d) == 1; return OK; }
int nvmlDeviceGetPersistenceMode(void *d, u32 *on) { (void)d; *on = 1; return OK; }
int nvmlDeviceGetVirtualizationMode(void *d, u32 *mode) { (void)d; *mode = 2; return OK; }
struct process { u32 pid; u64 bytes; u32 gpu_instance, compute_instance; };
int nvmlDeviceGetComputeRunningProcesses_v3(void *d, u32 *n, struct process *out) {
    if (index_of(d)) { *n = 0; return OK; }
    if (*n < 1 || !out) { *n = 1; return SMALL; }
    *n = 1; memset(out, 0, sizeof *out);
    out->pid = 4242; out->bytes = 3ull << 30;
    out->gpu_instance = out->compute_instance = ~0u;
    return OK;
}
struct sample { u32 pid; u64 us; u32 sm, mem, enc, dec; };
int nvmlDeviceGetProcessUtilization(void *d, struct sample *out, u32 *n, u64 since) {
    if (index_of(d) || since >= 1700000000000000ull) { *n = 0; return NOT_FOUND; }
    if (!out) { *n = 2; return SMALL; }
    *n = 2; memset(out, 0, 2 * sizeof *out);
    out[0].pid = 4242; out[0].us = 1700000000000000ull; out[0].sm = 63; out[0].mem = 12;
    return OK; /* The second slot was never filled. */
}
