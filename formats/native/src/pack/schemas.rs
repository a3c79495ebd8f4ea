//! Lists of columns that chunks commonly have. A packed chunk names its list instead of its
//! columns; one whose columns are in none of the lists spells them out.
//!
//! Files refer to these lists by position: they are never changed, only added to, at the end.

/// A column's name and the number that stands for its type.
pub(super) type Column = (&'static str, u8);

/// The lists, in the order of the tables when they were noted.
pub(super) const SCHEMAS: &[&[Column]] = &[
    // shapes
    &[
        ("name", 2),
        ("grid_x", 2),
        ("grid_y", 2),
        ("grid_z", 2),
        ("block_x", 2),
        ("block_y", 2),
        ("block_z", 2),
        ("static_shared_bytes", 2),
        ("dynamic_shared_bytes", 2),
        ("registers_per_thread", 2),
    ],
    // source
    &[("name", 2), ("format", 2), ("file_bytes", 3), ("clock", 1)],
    // property
    &[("source", 2), ("key", 2), ("value", 2)],
    // process
    &[("source", 2), ("pid", 4), ("name", 2), ("rank", 2)],
    // device
    &[
        ("source", 2),
        ("ordinal", 2),
        ("name", 2),
        ("uuid", 2),
        ("compute_capability", 2),
        ("sm_count", 2),
        ("memory_bytes", 3),
    ],
    // stream
    &[("process", 2), ("device", 2), ("context_id", 2), ("stream_id", 3)],
    // thread
    &[("process", 2), ("tid", 4), ("name", 2)],
    // counter_track
    &[("name", 2), ("unit", 2), ("device", 2), ("process", 2), ("source", 2), ("kind", 1)],
    // clock_anchor
    &[
        ("process", 2),
        ("realtime_ns", 4),
        ("monotonic_ns", 4),
        ("activity_ns", 4),
        ("uncertainty_ns", 3),
        ("source", 2),
    ],
    // kernel
    &[
        ("start_ns", 4),
        ("duration_ns", 3),
        ("stream", 2),
        ("shape", 2),
        ("correlation_id", 2),
        ("external_id", 3),
        ("graph_id", 2),
        ("graph_node_id", 3),
    ],
    // memcpy
    &[
        ("start_ns", 4),
        ("duration_ns", 3),
        ("stream", 2),
        ("bytes", 3),
        ("kind", 1),
        ("source_memory", 1),
        ("destination_memory", 1),
        ("correlation_id", 2),
        ("external_id", 3),
        ("graph_id", 2),
        ("graph_node_id", 3),
    ],
    // memset
    &[
        ("start_ns", 4),
        ("duration_ns", 3),
        ("stream", 2),
        ("bytes", 3),
        ("memory", 1),
        ("correlation_id", 2),
        ("external_id", 3),
        ("graph_id", 2),
        ("graph_node_id", 3),
    ],
    // api_call
    &[
        ("start_ns", 4),
        ("duration_ns", 3),
        ("thread", 2),
        ("name", 2),
        ("correlation_id", 2),
        ("external_id", 3),
        ("domain", 1),
        ("return_value", 2),
    ],
    // sync
    &[
        ("start_ns", 4),
        ("duration_ns", 3),
        ("stream", 2),
        ("kind", 1),
        ("event_id", 2),
        ("correlation_id", 2),
    ],
    // graph_launch
    &[("start_ns", 4), ("duration_ns", 3), ("stream", 2), ("correlation_id", 2), ("graph_id", 2)],
    // overhead
    &[("start_ns", 4), ("duration_ns", 3), ("thread", 2), ("name", 2)],
    // annotation
    &[
        ("start_ns", 4),
        ("duration_ns", 3),
        ("thread", 2),
        ("stream", 2),
        ("name", 2),
        ("domain", 2),
        ("kind", 1),
        ("external_id", 3),
    ],
    // cpu_op
    &[
        ("start_ns", 4),
        ("duration_ns", 3),
        ("thread", 2),
        ("name", 2),
        ("kind", 1),
        ("external_id", 3),
        ("input_types", 2),
        ("input_dims", 2),
    ],
    // span
    &[
        ("start_ns", 4),
        ("duration_ns", 3),
        ("trace_id_high", 3),
        ("trace_id_low", 3),
        ("span_id", 3),
        ("parent_span_id", 3),
        ("name", 2),
        ("service", 2),
        ("request", 2),
        ("kind", 1),
        ("status", 1),
        ("source", 2),
        ("id", 2),
        ("scope", 2),
        ("process", 2),
    ],
    // span_attribute
    &[("span", 2), ("event", 2), ("key", 2), ("kind", 1), ("text", 2), ("whole", 4), ("real", 5)],
    // span_event
    &[("time_ns", 4), ("span", 2), ("ordinal", 2), ("name", 2)],
    // span_link
    &[("span", 2), ("trace_id_high", 3), ("trace_id_low", 3), ("span_id", 3)],
    // step
    &[
        ("start_ns", 4),
        ("duration_ns", 3),
        ("step_id", 3),
        ("process", 2),
        ("thread", 2),
        ("name", 2),
        ("kind", 1),
        ("rung", 1),
        ("context_requests", 2),
        ("context_tokens", 3),
        ("generation_requests", 2),
        ("generation_tokens", 3),
    ],
    // step_member
    &[
        ("process", 2),
        ("step_id", 3),
        ("request", 2),
        ("own_tokens", 2),
        ("computed_tokens", 2),
        ("phase", 1),
        ("span", 2),
    ],
    // request_identity
    &[
        ("time_ns", 4),
        ("request", 2),
        ("external", 2),
        ("http_request", 2),
        ("trace_id_high", 3),
        ("trace_id_low", 3),
        ("parent_span_id", 3),
        ("is_sampled", 1),
        ("frontend_ns", 3),
        ("duration_ns", 3),
        ("process", 2),
    ],
    // counter
    &[("time_ns", 4), ("track", 2), ("value", 5)],
    // process, which got a parent
    &[("source", 2), ("pid", 4), ("name", 2), ("rank", 2), ("parent_pid", 4)],
];
