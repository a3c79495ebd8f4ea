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

/// Every name of Triton's own.
const ALL: [&str; 20] = [
    stamp::HTTP_RECV_START,
    stamp::HTTP_RECV_END,
    stamp::HTTP_SEND_START,
    stamp::HTTP_SEND_END,
    stamp::GRPC_WAITREAD_START,
    stamp::GRPC_WAITREAD_END,
    stamp::GRPC_SEND_START,
    stamp::GRPC_SEND_END,
    stamp::REQUEST_START,
    stamp::QUEUE_START,
    stamp::COMPUTE_START,
    stamp::COMPUTE_INPUT_END,
    stamp::COMPUTE_OUTPUT_START,
    stamp::COMPUTE_END,
    stamp::REQUEST_END,
    stamp::INFER_RESPONSE_COMPLETE,
    "CACHE_HIT_START",
    "CACHE_HIT_END",
    "CACHE_MISS_START",
    "CACHE_MISS_END",
];

/// The name of one of Triton's own stamps; `None` for names that models give to theirs.
pub(crate) fn own_stamp(name: &str) -> Option<&'static str> {
    ALL.iter().find(|own| **own == name).copied()
}

/// Whether an event or stamp of this name is one of Triton's own.
pub(crate) fn is_stamp(name: &str) -> bool {
    own_stamp(name).is_some()
}
