//! Launch shapes as columns, in id order.

use underspan_model::{
    ColumnRef, ColumnSpec, ColumnType, KernelShape, NONE_U32, Reference, StringId,
};

use super::table_read::{ColumnSlice, TargetColumn};

const fn column(name: &'static str, default: u32, reference: Reference) -> ColumnSpec {
    ColumnSpec { name, ty: ColumnType::U32, default_bits: default as u64, reference }
}

const N_COLUMNS: usize = 10;

/// The columns of a chunk of shapes.
pub(crate) const SHAPE_COLUMNS: &[ColumnSpec; N_COLUMNS] = &[
    column("name", NONE_U32, Reference::String),
    column("grid_x", 0, Reference::Nothing),
    column("grid_y", 0, Reference::Nothing),
    column("grid_z", 0, Reference::Nothing),
    column("block_x", 0, Reference::Nothing),
    column("block_y", 0, Reference::Nothing),
    column("block_z", 0, Reference::Nothing),
    column("static_shared_bytes", NONE_U32, Reference::Nothing),
    column("dynamic_shared_bytes", NONE_U32, Reference::Nothing),
    column("registers_per_thread", NONE_U32, Reference::Nothing),
];

/// Shapes column by column.
#[derive(Debug, Default)]
pub(crate) struct ShapeColumns {
    columns: [Vec<u32>; N_COLUMNS],
}

impl ShapeColumns {
    pub(crate) fn of(shapes: &[KernelShape]) -> Self {
        let mut columns = Self::default();
        for shape in shapes {
            let ([grid_x, grid_y, grid_z], [block_x, block_y, block_z]) = (shape.grid, shape.block);
            let values = [
                shape.name.raw(),
                grid_x,
                grid_y,
                grid_z,
                block_x,
                block_y,
                block_z,
                shape.static_shared_bytes,
                shape.dynamic_shared_bytes,
                shape.registers_per_thread,
            ];
            for (column, value) in columns.columns.iter_mut().zip(values) {
                column.push(value);
            }
        }
        columns
    }

    pub(crate) fn refs(&self) -> Vec<ColumnRef<'_>> {
        self.columns.iter().map(|column| ColumnRef::U32(column)).collect()
    }

    /// Room for `rows` shapes, as targets to decode into.
    pub(crate) fn targets(&mut self, rows: usize) -> Vec<TargetColumn<'_>> {
        SHAPE_COLUMNS
            .iter()
            .zip(&mut self.columns)
            .map(|(spec, column)| {
                column.resize(rows, 0);
                TargetColumn { spec, values: ColumnSlice::U32(column) }
            })
            .collect()
    }

    /// The shapes, in order.
    pub(crate) fn shapes(&self) -> impl Iterator<Item = KernelShape> + '_ {
        let rows = self.columns[0].len();
        (0..rows).map(|row| {
            let value = |column: usize| self.columns[column].get(row).copied().unwrap_or_default();
            KernelShape {
                name: StringId::from_raw(value(0)),
                grid: [value(1), value(2), value(3)],
                block: [value(4), value(5), value(6)],
                static_shared_bytes: value(7),
                dynamic_shared_bytes: value(8),
                registers_per_thread: value(9),
            }
        })
    }
}
