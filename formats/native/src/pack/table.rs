//! The columns of a chunk in a stream.

use super::coder::{BitCoder, Decoder, Encoder};
use super::columns::{Surroundings, Transform, trial_cost};
use super::mixing::Counters;
use super::nesting::{Neighbours, Nesting};
use super::schemas::SCHEMAS;
use super::session::Session;
use crate::codec::{Bits, Sign, divide, estimated_bits, multiply, unit_of_sample};
use crate::layout::limits;

/// Tags of the numbers that describe a table.
mod tag {
    pub(super) const SCHEMA: u32 = 16;
    pub(super) const COLUMNS: u32 = 17;
    pub(super) const TYPE: u32 = 18;
    pub(super) const ROLE: u32 = 19;
    pub(super) const FIRST: u32 = 20;
    pub(super) const UNIT: u32 = 21;
    pub(super) const MODE: u32 = 32;
    pub(super) const CONSTANT: u32 = 33;
}

/// A column of any type, its values as bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WideColumn {
    pub(super) name: String,
    /// The number that stands for its type.
    pub(super) ty: u8,
    pub(super) values: Vec<u64>,
}

/// Which columns say what, by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Roles {
    /// What a row ran on.
    pub(super) key: Option<usize>,
    /// What a row was.
    pub(super) name: Option<usize>,
    /// When it began and how long it took: together or not at all, and with a key and a name.
    pub(super) times: Option<(usize, usize)>,
}

/// Ways to store a column that are tried out, the most promising by their bytes alone.
const MAX_TRIALS: usize = 3;

const PLAIN: u64 = 1;
const DELTA: u64 = 2;
const KEYED: u64 = 3;
/// From here on: the difference from the column at that position less this.
const OTHER: u64 = 4;

pub(super) fn width_of(ty: u8) -> Option<usize> {
    match ty {
        1 => Some(1),
        2 => Some(4),
        3..=5 => Some(8),
        _ => None,
    }
}

/// Positions of the columns outside the times, narrow ones first: they are the context of others.
fn order(types: &[u8], roles: Roles) -> Vec<usize> {
    let is_time = |index: usize| roles.times.is_some_and(|(a, b)| index == a || index == b);
    let is_wide = |index: &usize| width_of(types[*index]) == Some(8);
    let (wide, narrow): (Vec<_>, Vec<_>) =
        (0..types.len()).filter(|index| !is_time(*index)).partition(is_wide);
    [narrow, wide].concat()
}

/// What surrounds the column after `before` in its row.
fn surroundings<'a>(values: &'a [Vec<u64>], before: &[usize], roles: Roles) -> Surroundings<'a> {
    let known = |index: &Option<usize>| index.filter(|index| before.contains(index));
    let mut others = before
        .iter()
        .rev()
        .filter(|index| Some(**index) != roles.key && Some(**index) != roles.name)
        .map(|index| &values[*index][..]);
    Surroundings {
        key: known(&roles.key).map(|index| &values[index][..]),
        name: known(&roles.name).map(|index| &values[index][..]),
        others: [others.next(), others.next()],
    }
}

impl Session<Encoder> {
    /// Writes columns, all equally long; `scratch` is used for trials.
    pub(super) fn put_table(
        &mut self,
        columns: &[WideColumn],
        roles: Roles,
        scratch: &mut Counters,
    ) {
        self.put_schema(columns);
        self.spend(columns.iter().map(|column| column.values.len()).sum());
        for role in [roles.key, roles.name, roles.times.map(|t| t.0), roles.times.map(|t| t.1)] {
            self.field(tag::ROLE, role.map_or(0, |index| index as u64 + 1));
        }
        let types: Vec<u8> = columns.iter().map(|column| column.ty).collect();
        let values: Vec<Vec<u64>> = columns.iter().map(|column| column.values.clone()).collect();
        let mut before = Vec::new();
        for index in order(&types, roles) {
            let column = &values[index];
            let first = column.first().copied().unwrap_or_default();
            if column.iter().all(|value| *value == first) {
                self.field(tag::MODE, 0);
                self.field(tag::CONSTANT, first);
                continue;
            }
            let around = surroundings(&values, &before, roles);
            let is_wide = types[index] > 1;
            let mut ways = vec![(PLAIN, Transform::Plain)];
            if is_wide {
                ways.push((DELTA, Transform::Delta));
                ways.extend(around.name.map(|names| (KEYED, Transform::Keyed(names))));
                let others = before.iter().filter(|other| types[**other] > 1);
                ways.extend(
                    others.map(|other| (OTHER + *other as u64, Transform::Other(&values[*other]))),
                );
            }
            let made = ways.iter().map(|(mode, transform)| {
                let (residuals, unit) = in_units(transform.residuals(column), transform.sign());
                (estimated_bits(&residuals), *mode, unit, residuals)
            });
            let mut made: Vec<_> = made.collect();
            made.sort_by_key(|(bits, ..)| *bits);
            made.truncate(MAX_TRIALS);
            let best = made
                .into_iter()
                .min_by_key(|(.., residuals)| trial_cost(scratch, around, residuals));
            let Some((_, mode, unit, mut residuals)) = best else { continue };
            self.field(tag::MODE, mode);
            self.field(tag::UNIT, unit);
            self.residuals(around, &mut residuals);
            before.push(index);
        }
        if let Some((start, duration)) = roles.times {
            let (keys, names) = track(&values, roles);
            let first = values[start].first().copied().unwrap_or_default();
            self.code_first(first);
            let mut nesting = Nesting::of(keys, &values[start], &values[duration]);
            let lead_unit;
            let tail_unit;
            (nesting.lead, lead_unit) = in_units(nesting.lead, Sign::Zigzag);
            (nesting.tail, tail_unit) = in_units(nesting.tail, Sign::Zigzag);
            self.field(tag::UNIT, lead_unit);
            self.field(tag::UNIT, tail_unit);
            self.nesting(keys, names, &mut nesting);
        }
    }

    fn put_schema(&mut self, columns: &[WideColumn]) {
        let known = SCHEMAS.iter().position(|schema| {
            let listed = schema.iter().map(|(name, ty)| (*name, *ty));
            listed.eq(columns.iter().map(|column| (&column.name[..], column.ty)))
        });
        self.field(tag::SCHEMA, known.map_or(0, |index| index as u64 + 1));
        if known.is_none() {
            self.field(tag::COLUMNS, columns.len() as u64);
            for column in columns {
                self.put_text(column.name.as_bytes());
                self.field(tag::TYPE, column.ty.into());
            }
        }
    }
}

impl Session<Decoder<'_>> {
    /// Reads columns of `rows` values; `None` when they are not as a writer writes them.
    pub(super) fn take_table(&mut self, rows: usize) -> Option<Vec<WideColumn>> {
        let schema = self.take_schema()?;
        let types: Vec<u8> = schema.iter().map(|(_, ty)| *ty).collect();
        if types.iter().any(|ty| width_of(*ty).is_none()) {
            return None;
        }
        self.spend(rows.checked_mul(types.len())?)?;
        let roles = self.take_roles(&types)?;
        let mut values: Vec<Vec<u64>> = vec![Vec::new(); types.len()];
        let mut before = Vec::new();
        for index in order(&types, roles) {
            let mode = self.field(tag::MODE, 0);
            if mode == 0 {
                values[index] = vec![self.field(tag::CONSTANT, 0); rows];
                continue;
            }
            let unit = self.field(tag::UNIT, 0);
            let around = surroundings(&values, &before, roles);
            let transform = match mode {
                PLAIN => Transform::Plain,
                DELTA => Transform::Delta,
                KEYED => Transform::Keyed(around.name?),
                _ => {
                    let other = usize::try_from(mode - OTHER).ok()?;
                    Transform::Other(before.contains(&other).then(|| &values[other][..])?)
                }
            };
            let mut residuals = vec![0; rows];
            self.residuals(around, &mut residuals);
            multiply(&mut residuals, unit, transform.sign());
            transform.undo(&mut residuals);
            values[index] = residuals;
            before.push(index);
        }
        if let Some((start, duration)) = roles.times {
            let first = self.code_first(0);
            let units = [self.field(tag::UNIT, 0), self.field(tag::UNIT, 0)];
            let zeros = || vec![0; rows];
            let mut nesting = Nesting { ended: zeros(), lead: zeros(), tail: zeros() };
            let (keys, names) = track(&values, roles);
            self.nesting(keys, names, &mut nesting);
            multiply(&mut nesting.lead, units[0], Sign::Zigzag);
            multiply(&mut nesting.tail, units[1], Sign::Zigzag);
            (values[start], values[duration]) = nesting.undo(keys, first);
        }
        let columns = schema.into_iter().zip(values);
        Some(columns.map(|((name, ty), values)| WideColumn { name, ty, values }).collect())
    }

    fn take_schema(&mut self) -> Option<Vec<(String, u8)>> {
        let known = usize::try_from(self.field(tag::SCHEMA, 0)).ok()?;
        if let Some(index) = known.checked_sub(1) {
            let schema = SCHEMAS.get(index)?;
            return Some(schema.iter().map(|(name, ty)| ((*name).to_owned(), *ty)).collect());
        }
        let n_columns = usize::try_from(self.field(tag::COLUMNS, 0)).ok()?;
        if n_columns > limits::MAX_COLUMNS {
            return None;
        }
        let column = |_| {
            let name = self.take_string()?;
            if name.len() > usize::from(u8::MAX) {
                return None;
            }
            Some((name, u8::try_from(self.field(tag::TYPE, 0)).ok()?))
        };
        (0..n_columns).map(column).collect()
    }

    fn take_roles(&mut self, types: &[u8]) -> Option<Roles> {
        let mut role = || -> Option<Option<usize>> {
            let index = usize::try_from(self.field(tag::ROLE, 0)).ok()?;
            (index <= types.len()).then(|| index.checked_sub(1))
        };
        let (key, name, start, duration) = (role()?, role()?, role()?, role()?);
        let times = start.zip(duration);
        let is_sound = times.is_none_or(|(start, duration)| {
            let is_apart =
                |index: Option<usize>| index.is_some_and(|i| i != start && i != duration);
            start != duration && is_apart(key) && is_apart(name)
        });
        is_sound.then_some(Roles { key, name, times })
    }
}

impl<C: BitCoder> Session<C> {
    /// Codes the first start of a table: most begin close to each other.
    fn code_first(&mut self, first: u64) -> u64 {
        let gap = self.field(tag::FIRST, first.zigzag_from(self.last_first));
        self.last_first = gap.undo_zigzag(self.last_first);
        self.last_first
    }

    /// Codes the parts of a nesting in place.
    fn nesting(&mut self, keys: &[u64], names: &[u64], nesting: &mut Nesting) {
        let Nesting { ended, lead, tail } = nesting;
        let around = Surroundings { key: Some(keys), name: Some(names), others: [None; 2] };
        self.residuals(around, ended);
        let neighbours = Neighbours::of(keys, ended);
        let name_of = |row: &Option<usize>| row.map_or(0, |row| names[row].wrapping_add(1));
        let rows = neighbours.before.iter().zip(&*ended);
        let boundary: Vec<u64> =
            rows.map(|(row, ended)| name_of(row) << 1 | u64::from(*ended == 0)).collect();
        self.residuals(Surroundings { others: [Some(&boundary), Some(ended)], ..around }, lead);
        let child: Vec<u64> = neighbours.last_child.iter().map(name_of).collect();
        self.residuals(Surroundings { others: [Some(&child), Some(lead)], ..around }, tail);
    }
}

fn track(values: &[Vec<u64>], roles: Roles) -> (&[u64], &[u64]) {
    let column = |index: Option<usize>| index.and_then(|index| values.get(index));
    let or_empty = |index| column(index).map_or(&[][..], Vec::as_slice);
    (or_empty(roles.key), or_empty(roles.name))
}

/// Residuals divided by what all of them are multiples of, and that.
fn in_units(mut residuals: Vec<u64>, sign: Sign) -> (Vec<u64>, u64) {
    let unit = unit_of_sample(&residuals, sign);
    let is_divided = unit > 1 && divide(&mut residuals, unit, sign);
    (residuals, if is_divided { unit } else { 1 })
}
