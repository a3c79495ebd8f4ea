//! Rows of what the host did.

use underspan_model::NONE_U32;
use underspan_model::tables::{
    Annotation, AnnotationKind, ApiCall, ApiDomain, CpuOp, CpuOpKind, Overhead, TableKind,
};

use super::event::{Event, Id};
use super::part::Place;
use super::rows::{Accepted, RowWriter, correlation, number64};

impl RowWriter<'_> {
    #[inline]
    pub(super) fn api_call(
        &mut self,
        event: &Event<'_>,
        offset: u64,
        domain: ApiDomain,
    ) -> Accepted<Place> {
        let (start_ns, duration_ns) = self.span(event, offset)?;
        let external_id = number64(event.args.external_id)?;
        let (correlation_id, wide) = correlation(event.args.correlation)?;
        let thread = self.lane.thread(event.pid, event.tid);
        let name = self.lane.optional_text(event.name);
        let table = &mut self.part.api_calls;
        let place = Place { table: TableKind::ApiCall, row: table.len() as u32 };
        table.push(ApiCall {
            start_ns,
            duration_ns,
            thread,
            name,
            correlation_id,
            external_id,
            domain: domain.code(),
            ..ApiCall::default()
        });
        Ok(self.placed(place, wide))
    }

    #[inline]
    pub(super) fn cpu_op(
        &mut self,
        event: &Event<'_>,
        offset: u64,
        kind: CpuOpKind,
    ) -> Accepted<Place> {
        let (start_ns, duration_ns) = self.span(event, offset)?;
        let external_id = number64(event.args.external_id)?;
        let thread = self.lane.thread(event.pid, event.tid);
        let name = self.lane.optional_text(event.name);
        let input_types = self.lane.optional_value(event.args.input_types);
        let input_dims = self.lane.optional_value(event.args.input_dims);
        let table = &mut self.part.cpu_ops;
        let place = Place { table: TableKind::CpuOp, row: table.len() as u32 };
        table.push(CpuOp {
            start_ns,
            duration_ns,
            thread,
            name,
            kind: kind.code(),
            external_id,
            input_types,
            input_dims,
        });
        Ok(place)
    }

    pub(super) fn annotation(&mut self, event: &Event<'_>, offset: u64) -> Accepted<Place> {
        let (start_ns, duration_ns) = self.span(event, offset)?;
        let external_id = number64(event.args.external_id)?;
        let row = Annotation {
            start_ns,
            duration_ns,
            thread: self.lane.thread(event.pid, event.tid),
            name: self.lane.optional_text(event.name),
            kind: AnnotationKind::User.code(),
            external_id,
            ..Annotation::default()
        };
        Ok(self.place_annotation(row))
    }

    pub(super) fn place_annotation(&mut self, row: Annotation) -> Place {
        let table = &mut self.part.annotations;
        let place = Place { table: TableKind::Annotation, row: table.len() as u32 };
        table.push(row);
        place
    }

    pub(super) fn overhead(&mut self, event: &Event<'_>, offset: u64) -> Accepted<Place> {
        let (start_ns, duration_ns) = self.span(event, offset)?;
        // The profiler's process-wide cost has process -1.
        let thread = match event.pid {
            Id::Number(pid) if pid < 0 => NONE_U32,
            _ => self.lane.thread(event.pid, event.tid),
        };
        let name = self.lane.optional_text(event.name);
        let table = &mut self.part.overheads;
        let place = Place { table: TableKind::Overhead, row: table.len() as u32 };
        table.push(Overhead { start_ns, duration_ns, thread, name });
        Ok(place)
    }
}
