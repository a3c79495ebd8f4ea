//! Ids of runtime and driver calls, the `cbid` of API records.
//!
//! Only those the collector names in its code: what launches, copies, waits, and what is dropped
//! at the source because it is frequent and says nothing. The library names all others through
//! `cuptiGetCallbackName`. No id changed its value from 11.8 to 13.5.

#![expect(non_upper_case_globals, reason = "the names are those of the C interface")]

use crate::integer::integer_newtype;

integer_newtype! {
    /// A CUDA runtime call. The suffix is the toolkit that introduced the entry point.
    pub struct RuntimeCbid(u32), prefix "CUPTI_RUNTIME_TRACE_CBID_" {
        cudaGetLastError_v3020 = 10;
        cudaPeekAtLastError_v3020 = 11;
        cudaFuncGetAttributes_v3020 = 15;
        cudaSetDevice_v3020 = 16;
        cudaGetDevice_v3020 = 17;
        cudaMalloc_v3020 = 20;
        cudaFree_v3020 = 22;
        cudaHostAlloc_v3020 = 27;
        cudaMemcpy_v3020 = 31;
        cudaMemcpyAsync_v3020 = 41;
        cudaMemset_v3020 = 49;
        cudaMemsetAsync_v3020 = 51;
        cudaStreamSynchronize_v3020 = 131;
        cudaStreamQuery_v3020 = 132;
        cudaEventCreateWithFlags_v3020 = 134;
        cudaEventRecord_v3020 = 135;
        cudaEventDestroy_v3020 = 136;
        cudaEventSynchronize_v3020 = 137;
        cudaEventQuery_v3020 = 138;
        cudaEventElapsedTime_v3020 = 139;
        cudaStreamWaitEvent_v3020 = 147;
        cudaDeviceSynchronize_v3020 = 165;
        cudaDeviceGetAttribute_v5000 = 200;
        cudaLaunchKernel_v7000 = 211;
        cudaLaunchKernel_ptsz_v7000 = 214;
        cudaMemcpyAsync_ptsz_v7000 = 225;
        cudaMemsetAsync_ptsz_v7000 = 235;
        cudaStreamSynchronize_ptsz_v7000 = 239;
        cudaStreamQuery_ptsz_v7000 = 240;
        cudaEventRecord_ptsz_v7000 = 242;
        cudaStreamWaitEvent_ptsz_v7000 = 247;
        cudaLaunchCooperativeKernel_v9000 = 269;
        cudaLaunchCooperativeKernel_ptsz_v9000 = 270;
        cudaLaunchHostFunc_v10000 = 284;
        cudaLaunchHostFunc_ptsz_v10000 = 285;
        cudaGraphInstantiate_v10000 = 310;
        cudaGraphLaunch_v10000 = 311;
        cudaGraphLaunch_ptsz_v10000 = 312;
        cudaStreamIsCapturing_v10000 = 317;
        cudaStreamIsCapturing_ptsz_v10000 = 318;
        cudaMallocAsync_v11020 = 373;
        cudaMallocAsync_ptsz_v11020 = 374;
        cudaFreeAsync_v11020 = 375;
        cudaFreeAsync_ptsz_v11020 = 376;
        cudaStreamGetCaptureInfo_v2_v11030 = 409;
        cudaStreamGetCaptureInfo_v2_ptsz_v11030 = 410;
        cudaLaunchKernelExC_v11060 = 430;
        cudaLaunchKernelExC_ptsz_v11060 = 431;
        cudaGraphInstantiate_v12000 = 443, since CUDA_12_0;
    }
}

integer_newtype! {
    /// A CUDA driver call.
    pub struct DriverCbid(u32), prefix "CUPTI_DRIVER_TRACE_CBID_" {
        cuCtxGetDevice = 16;
        cuCtxSynchronize = 17;
        cuModuleLoadData = 19;
        cuModuleLoadDataEx = 20;
        cuFuncGetAttribute = 85;
        cuEventRecord = 119;
        cuEventQuery = 120;
        cuEventSynchronize = 121;
        cuStreamSynchronize = 126;
        cuMemsetD8Async = 216;
        cuMemsetD32Async = 220;
        cuMemAlloc_v2 = 243;
        cuMemFree_v2 = 245;
        cuMemcpyHtoDAsync_v2 = 277;
        cuMemcpyDtoHAsync_v2 = 279;
        cuMemcpyDtoDAsync_v2 = 281;
        cuStreamWaitEvent = 295;
        cuCtxSetCurrent = 303;
        cuCtxGetCurrent = 304;
        cuMemcpyAsync = 306;
        cuLaunchKernel = 307;
        cuCtxPushCurrent_v2 = 323;
        cuCtxPopCurrent_v2 = 324;
        cuDevicePrimaryCtxGetState = 392;
        cuMemcpyAsync_ptsz = 418;
        cuMemcpyHtoDAsync_v2_ptsz = 421;
        cuMemcpyDtoHAsync_v2_ptsz = 422;
        cuMemcpyDtoDAsync_v2_ptsz = 423;
        cuMemsetD8Async_ptsz = 428;
        cuMemsetD32Async_ptsz = 430;
        cuStreamWaitEvent_ptsz = 436;
        cuStreamSynchronize_ptsz = 440;
        cuEventRecord_ptsz = 441;
        cuLaunchKernel_ptsz = 442;
        cuLaunchCooperativeKernel = 477;
        cuLaunchCooperativeKernel_ptsz = 478;
        cuGraphLaunch = 514;
        cuGraphLaunch_ptsz = 515;
        cuMemAllocAsync = 598;
        cuMemAllocAsync_ptsz = 599;
        cuLaunchKernelEx = 652;
        cuLaunchKernelEx_ptsz = 653;
        cuGetProcAddress_v2 = 677, since CUDA_12_0;
        cuLibraryLoadData = 678, since CUDA_12_0;
        cuKernelGetAttribute = 686, since CUDA_12_0;
    }
}
