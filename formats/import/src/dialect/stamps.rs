//! Names of the stamps Triton sets on a request, in its trace files and as events of its spans.
//! (`triton-inference-server/core` `include/triton/core/tritonserver.h`, `server` `src/tracer.cc`)

/// Names of stamps.
pub(crate) mod stamp {
    /// Reading an HTTP request begins.
    pub(crate) const HTTP_RECV_START: &str = "HTTP_RECV_START";
    /// The request has been read.
    pub(crate) const HTTP_RECV_END: &str = "HTTP_RECV_END";
    /// Sending the answer begins.
    pub(crate) const HTTP_SEND_START: &str = "HTTP_SEND_START";
    /// The answer has been sent.
    pub(crate) const HTTP_SEND_END: &str = "HTTP_SEND_END";
    /// A gRPC slot begins to wait for a request: idle, long before the request.
    pub(crate) const GRPC_WAITREAD_START: &str = "GRPC_WAITREAD_START";
    /// A gRPC request has come.
    pub(crate) const GRPC_WAITREAD_END: &str = "GRPC_WAITREAD_END";
    /// Sending the answer begins.
    pub(crate) const GRPC_SEND_START: &str = "GRPC_SEND_START";
    /// The answer has been sent.
    pub(crate) const GRPC_SEND_END: &str = "GRPC_SEND_END";
    /// The server takes the request in.
    pub(crate) const REQUEST_START: &str = "REQUEST_START";
    /// The request enters the model's queue.
    pub(crate) const QUEUE_START: &str = "QUEUE_START";
    /// The execution begins: one time for its whole batch.
    pub(crate) const COMPUTE_START: &str = "COMPUTE_START";
    /// Inputs are gathered.
    pub(crate) const COMPUTE_INPUT_END: &str = "COMPUTE_INPUT_END";
    /// Outputs begin to be handed out.
    pub(crate) const COMPUTE_OUTPUT_START: &str = "COMPUTE_OUTPUT_START";
    /// The execution ends.
    pub(crate) const COMPUTE_END: &str = "COMPUTE_END";
    /// The server lets go of the request; often later than the answer is sent.
    pub(crate) const REQUEST_END: &str = "REQUEST_END";
    /// A response is complete; may come before COMPUTE_END.
    pub(crate) const INFER_RESPONSE_COMPLETE: &str = "INFER_RESPONSE_COMPLETE";
    /// The four stamps that are equal within one execution.
    pub(crate) const EXECUTION: [&str; 4] =
        [COMPUTE_START, COMPUTE_INPUT_END, COMPUTE_OUTPUT_START, COMPUTE_END];
}

/// Whether an event or stamp of this name is one of Triton's own.
pub(crate) fn is_stamp(name: &str) -> bool {
    use stamp::*;
    matches!(
        name,
        HTTP_RECV_START
            | HTTP_RECV_END
            | HTTP_SEND_START
            | HTTP_SEND_END
            | GRPC_WAITREAD_START
            | GRPC_WAITREAD_END
            | GRPC_SEND_START
            | GRPC_SEND_END
            | REQUEST_START
            | QUEUE_START
            | COMPUTE_START
            | COMPUTE_INPUT_END
            | COMPUTE_OUTPUT_START
            | COMPUTE_END
            | REQUEST_END
            | INFER_RESPONSE_COMPLETE
            | "CACHE_HIT_START"
            | "CACHE_HIT_END"
            | "CACHE_MISS_START"
            | "CACHE_MISS_END"
    )
}
