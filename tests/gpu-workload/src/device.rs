//! The device, streams on it, and a kernel that adds one to each of many numbers.
#![expect(unsafe_code, reason = "launches kernels")]

use std::sync::Arc;

use anyhow::{Context, Result};
use cudarc::driver::sys::{CUgraphInstantiate_flags, CUstreamCaptureMode, is_culib_present};
use cudarc::driver::{
    CudaContext, CudaFunction, CudaGraph, CudaSlice, CudaStream, LaunchConfig, PushKernelArg,
};
use cudarc::nvrtc::Ptx;

/// Numbers of a lane.
const N: usize = 1 << 16;
/// Bytes of each copy.
pub(crate) const LANE_BYTES: usize = N * size_of::<f32>();

/// What the driver compiles for whatever GPU there is.
const PTX: &str = "
.version 6.5
.target sm_70
.address_size 64
.visible .entry add_one(.param .u64 values, .param .u32 n)
{
    .reg .pred %p<2>;
    .reg .f32 %f<3>;
    .reg .b32 %r<6>;
    .reg .b64 %rd<5>;
    ld.param.u64 %rd1, [values];
    ld.param.u32 %r1, [n];
    mov.u32 %r2, %ctaid.x;
    mov.u32 %r3, %ntid.x;
    mov.u32 %r4, %tid.x;
    mad.lo.s32 %r5, %r2, %r3, %r4;
    setp.ge.u32 %p1, %r5, %r1;
    @%p1 bra DONE;
    cvta.to.global.u64 %rd2, %rd1;
    mul.wide.u32 %rd3, %r5, 4;
    add.s64 %rd4, %rd2, %rd3;
    ld.global.f32 %f1, [%rd4];
    add.f32 %f2, %f1, 0f3F800000;
    st.global.f32 [%rd4], %f2;
DONE:
    ret;
}
";

/// Why there is nothing to work on; `None` when there is a GPU.
pub(crate) fn why_not() -> Option<String> {
    // SAFETY: loads the driver, whose initializers are made for that.
    if !unsafe { is_culib_present() } {
        return Some("no CUDA driver (libcuda.so) on this machine".to_owned());
    }
    match cudarc::driver::result::init().and_then(|()| CudaContext::device_count()) {
        Ok(0) => Some("the CUDA driver finds no GPU".to_owned()),
        Ok(_) => None,
        Err(error) => Some(format!("the CUDA driver does not start: {error}")),
    }
}

/// The first GPU.
pub(crate) struct Device {
    context: Arc<CudaContext>,
    add_one: CudaFunction,
}

impl Device {
    pub(crate) fn new() -> Result<Self> {
        let context = CudaContext::new(0).context("no context")?;
        // SAFETY: no memory here is used on two streams.
        unsafe { context.disable_event_tracking() };
        let module = context.load_module(Ptx::from_src(PTX)).context("the kernel's module")?;
        let add_one = module.load_function("add_one").context("the kernel")?;
        Ok(Self { context, add_one })
    }

    /// A stream with numbers of its own.
    pub(crate) fn lane(&self) -> Result<Lane> {
        let stream = self.context.new_stream()?;
        let on_device = stream.alloc_zeros::<f32>(N)?;
        let add_one = self.add_one.clone();
        Ok(Lane { stream, add_one, on_device, on_host: vec![1.0; N], result: vec![0.0; N] })
    }

    pub(crate) fn stream(&self) -> Result<Arc<CudaStream>> {
        Ok(self.context.new_stream()?)
    }

    pub(crate) fn synchronize(&self) -> Result<()> {
        Ok(self.context.synchronize()?)
    }
}

/// A stream and the numbers it works on.
pub(crate) struct Lane {
    stream: Arc<CudaStream>,
    add_one: CudaFunction,
    on_device: CudaSlice<f32>,
    on_host: Vec<f32>,
    result: Vec<f32>,
}

impl Lane {
    pub(crate) fn upload(&mut self) -> Result<()> {
        Ok(self.stream.memcpy_htod(&self.on_host, &mut self.on_device)?)
    }

    pub(crate) fn add_one(&mut self) -> Result<()> {
        let n = u32::try_from(N)?;
        let mut launch = self.stream.launch_builder(&self.add_one);
        launch.arg(&mut self.on_device).arg(&n);
        // SAFETY: the arguments are those of the kernel, which stays within `n` numbers.
        unsafe { launch.launch(LaunchConfig::for_num_elems(n)) }?;
        Ok(())
    }

    pub(crate) fn download(&mut self) -> Result<()> {
        Ok(self.stream.memcpy_dtoh(&self.on_device, &mut self.result)?)
    }

    /// Whether what came back is what was sent, and one more.
    pub(crate) fn is_computed(&self) -> bool {
        self.result.iter().zip(&self.on_host).all(|(result, sent)| *result == sent + 1.0)
    }

    /// A graph of so many kernels.
    pub(crate) fn captured(&mut self, n_nodes: usize) -> Result<CudaGraph> {
        self.stream.begin_capture(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_GLOBAL)?;
        for _ in 0..n_nodes {
            self.add_one()?;
        }
        let graph = self.stream.end_capture(
            CUgraphInstantiate_flags::CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH,
        )?;
        graph.context("nothing was captured")
    }
}
