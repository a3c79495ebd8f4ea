//! Triton's own trace (`--trace-config triton,mode=triton`): one object per stamp, on the steady
//! clock.

use serde_json::{Value, json};

use crate::served::{Execution, Served, Stages};
use crate::spans::triton_request_id;

/// All stamps, requests in order of arrival. `monotonic_ns` is the steady clock at the run's zero.
pub(crate) fn document(served: &[&Served], monotonic_ns: u64, version: u64) -> Value {
    let mut rows = Vec::new();
    let mut next_id = 1;
    let mut in_order: Vec<&&Served> = served.iter().collect();
    in_order.sort_by_key(|s| s.arrival.server_ns);
    for served in in_order {
        let Stages::Triton(executions) = &served.stages else { continue };
        let request = Request { served, monotonic_ns, version };
        if let [only] = executions.as_slice() {
            request.whole(next_id, only, &mut rows);
            next_id += 1;
        } else {
            request.ensemble(next_id, executions, &mut rows);
            next_id += 1 + executions.len() as u64;
        }
    }
    Value::Array(rows)
}

struct Request<'a> {
    served: &'a Served,
    monotonic_ns: u64,
    version: u64,
}

impl Request<'_> {
    fn stamp(&self, id: u64, name: &str, ns: u64) -> Value {
        json!({"id": id, "timestamps": [{"name": name, "ns": self.monotonic_ns + ns}]})
    }

    fn received(&self, id: u64, model: &str, rows: &mut Vec<Value>) {
        let start_ns = self.served.arrival.server_ns;
        rows.push(self.stamp(id, "HTTP_RECV_START", start_ns));
        rows.push(self.stamp(id, "HTTP_RECV_END", start_ns + 62_000));
        rows.push(json!({"id": id, "model_name": model, "model_version": self.version,
            "request_id": triton_request_id(&self.served.arrival)}));
    }

    fn sent(&self, id: u64, rows: &mut Vec<Value>) {
        let end_ns = self.served.server_end_ns;
        rows.push(self.stamp(id, "HTTP_SEND_START", end_ns - 32_000));
        rows.push(self.stamp(id, "HTTP_SEND_END", end_ns));
    }

    fn executed(&self, id: u64, execution: &Execution, rows: &mut Vec<Value>) {
        rows.push(self.stamp(id, "REQUEST_START", execution.request_start_ns));
        rows.push(self.stamp(id, "QUEUE_START", execution.queue_start_ns));
        let complete_ns = execution.compute_end_ns + 18_000;
        rows.push(self.stamp(id, "INFER_RESPONSE_COMPLETE", complete_ns));
        rows.push(self.stamp(id, "COMPUTE_START", execution.compute_start_ns));
        rows.push(self.stamp(id, "COMPUTE_INPUT_END", execution.compute_input_end_ns));
        rows.push(self.stamp(id, "COMPUTE_OUTPUT_START", execution.compute_output_start_ns));
        rows.push(self.stamp(id, "COMPUTE_END", execution.compute_end_ns));
        rows.push(self.stamp(id, "REQUEST_END", execution.request_end_ns));
    }

    fn whole(&self, id: u64, execution: &Execution, rows: &mut Vec<Value>) {
        self.received(id, execution.model, rows);
        self.executed(id, execution, rows);
        self.sent(id, rows);
    }

    fn ensemble(&self, id: u64, executions: &[Execution], rows: &mut Vec<Value>) {
        let (Some(first), Some(last)) = (executions.first(), executions.last()) else { return };
        self.received(id, "pipeline", rows);
        rows.push(self.stamp(id, "REQUEST_START", first.request_start_ns - 4_000));
        rows.push(self.stamp(id, "QUEUE_START", first.request_start_ns - 3_000));
        for (at, execution) in executions.iter().enumerate() {
            let child = id + 1 + at as u64;
            rows.push(json!({"id": child, "model_name": execution.model,
                "model_version": self.version,
                "request_id": triton_request_id(&self.served.arrival), "parent_id": id}));
            self.executed(child, execution, rows);
        }
        let complete_ns = last.compute_end_ns + 22_000;
        rows.push(self.stamp(id, "INFER_RESPONSE_COMPLETE", complete_ns));
        rows.push(self.stamp(id, "REQUEST_END", last.request_end_ns + 3_000));
        self.sent(id, rows);
    }
}
