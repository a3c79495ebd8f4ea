//! Matrix products through cuBLAS, in FP32 and FP16.
#![expect(unsafe_code, reason = "calls into cuBLAS")]

use std::ffi::c_void;
use std::ptr::from_ref;

use anyhow::{Context, Result};
use cudarc::cublas::CudaBlas;
use cudarc::cublas::result::{gemm_ex, sgemm};
use cudarc::cublas::sys::{
    cublasComputeType_t, cublasGemmAlgo_t, cublasOperation_t, cudaDataType_t, is_culib_present,
};
use cudarc::driver::{DevicePtr, DevicePtrMut};

use crate::device::Device;

/// Rows and columns.
const N: usize = 1024;

/// Multiplies so often in each precision; answers how often, or `None` without cuBLAS.
pub(crate) fn products(device: &Device, rounds: usize) -> Result<Option<usize>> {
    // SAFETY: loads cuBLAS, whose initializers are made for that.
    if !unsafe { is_culib_present() } {
        return Ok(None);
    }
    let stream = device.stream()?;
    let blas = CudaBlas::new(stream.clone()).context("cuBLAS")?;
    let single = stream.alloc_zeros::<f32>(N * N)?;
    let mut single_out = stream.alloc_zeros::<f32>(N * N)?;
    // Halves are two bytes each.
    let half = stream.alloc_zeros::<u16>(N * N)?;
    let mut half_out = stream.alloc_zeros::<u16>(N * N)?;
    let n = i32::try_from(N)?;
    let (one, zero) = (1.0_f32, 0.0_f32);
    let plain = cublasOperation_t::CUBLAS_OP_N;
    let handle = *blas.handle();
    let (single, _) = single.device_ptr(&stream);
    let (single_out, _) = single_out.device_ptr_mut(&stream);
    let (half, _) = half.device_ptr(&stream);
    let (half_out, _) = half_out.device_ptr_mut(&stream);
    for _ in 0..rounds {
        // SAFETY: square matrices of N × N numbers on the device, alive until the end of this
        // function, which waits for the stream.
        unsafe {
            let (a, c) = (single as *const f32, single_out as *mut f32);
            let (one, zero) = (from_ref(&one), from_ref(&zero));
            sgemm(handle, plain, plain, n, n, n, one, a, n, a, n, zero, c, n)?;
        }
        // SAFETY: as above.
        unsafe {
            let (a, c) = (half as *const c_void, half_out as *mut c_void);
            let (one, zero) = (from_ref(&one).cast(), from_ref(&zero).cast());
            let kind = cudaDataType_t::CUDA_R_16F;
            let compute = cublasComputeType_t::CUBLAS_COMPUTE_32F;
            let algorithm = cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT;
            gemm_ex(
                handle, plain, plain, n, n, n, one, a, kind, n, a, kind, n, zero, c, kind, n,
                compute, algorithm,
            )?;
        }
    }
    stream.synchronize()?;
    Ok(Some(rounds))
}
