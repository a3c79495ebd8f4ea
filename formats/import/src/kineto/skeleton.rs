//! The fast path: events of a trace repeat each other but for their values.
//!
//! A program writes every kernel event with the same keys, the same order and the same white
//! space. So what stands between the values is learned, as text, from events the general parser
//! has read, and later events are compared with it: one comparison per stretch, then the value,
//! then the next stretch. Stretches form a tree, since events differ in which arguments they have.
//! Keys, commas, quotes and the values of `ph` and `cat` are part of the stretches.
//!
//! Whatever does not compare equal (an escape, another order, a value of another kind) is left to
//! the general parser, whose reading of it is then learned too. Values are read by the same
//! functions in both, so both give the same event.

use super::category::Category;
use super::cursor::{Cursor, RawText, Step, Value, is_delimiter};
use super::event::Event;
use super::general::{
    ARGS, BLOCK, CATEGORY, GRID, PHASE, arg_bit, field_bit, set_arg, set_field, set_scalar_arg,
};
use super::number;

/// Most stretches that are learned. Real traces have under a hundred.
const NODE_LIMIT: usize = 2_000;
/// Most stretches that may follow one, and be tried in turn.
const SIBLING_LIMIT: usize = 64;
/// Longest stretch that is learned.
const STRETCH_LIMIT: usize = 400;

const NONE: u32 = u32::MAX;

/// What was learned.
pub(super) struct Skeletons {
    /// The text of all stretches.
    text: Vec<u8>,
    /// The first is the root: the beginning of an event.
    nodes: Vec<Node>,
}

/// A stretch of fixed text and the value behind it.
#[derive(Debug, Clone, Copy)]
struct Node {
    text_at: u32,
    text_length: u32,
    hole: Hole,
    /// Value of `ph` in the stretch, zero when it is not in it.
    phase: u8,
    /// Value of `cat` in the stretch, and where it is.
    category: Option<FixedCategory>,
    /// Last used first.
    first_child: u32,
    next_sibling: u32,
}

#[derive(Debug, Clone, Copy)]
struct FixedCategory {
    category: Category,
    at: u16,
    length: u16,
}

/// The value behind a stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hole {
    /// None: the event ends here.
    End,
    Value {
        target: Target,
        shape: Shape,
    },
}

/// What a value is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Unused,
    Field(u8),
    Arg(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Text,
    Token,
    Nested,
}

impl Shape {
    #[inline]
    fn of(first: u8) -> Self {
        match first {
            b'"' => Self::Text,
            b'{' | b'[' => Self::Nested,
            _ => Self::Token,
        }
    }
}

impl Default for Skeletons {
    fn default() -> Self {
        let root = Node {
            text_at: 0,
            text_length: 0,
            hole: Hole::End,
            phase: 0,
            category: None,
            first_child: NONE,
            next_sibling: NONE,
        };
        Self { text: Vec::new(), nodes: vec![root] }
    }
}

impl Skeletons {
    /// Reads the event that stands at the cursor if it is like one that was learned, and steps
    /// over it. Otherwise the cursor stays; `event` then holds nothing of use.
    #[inline]
    pub(super) fn read<'a>(&mut self, cursor: &mut Cursor<'a>, event: &mut Event<'a>) -> bool {
        let text = cursor.text;
        let mut walk = Cursor::new(text, cursor.at);
        let mut parent = 0;
        loop {
            let Some(index) = self.find(parent, text, walk.at) else { return false };
            let node = self.nodes[index as usize];
            if node.phase != 0 {
                event.phase = node.phase;
            }
            if let Some(fixed) = node.category {
                let at = walk.at + usize::from(fixed.at);
                let bytes = &text[at..at + usize::from(fixed.length)];
                event.category_text = RawText { bytes, is_escaped: false };
                event.category = fixed.category;
            }
            walk.at += node.text_length as usize;
            match node.hole {
                Hole::End => {
                    cursor.at = walk.at;
                    return true;
                }
                Hole::Value { target, shape } => {
                    if fill(&mut walk, event, target, shape).is_none() {
                        return false;
                    }
                }
            }
            parent = index;
        }
    }

    /// The child of `parent` that stands at `at`, which becomes its first.
    #[inline]
    fn find(&mut self, parent: u32, text: &[u8], at: usize) -> Option<u32> {
        let mut before = NONE;
        let mut index = self.nodes[parent as usize].first_child;
        while index != NONE {
            let node = &self.nodes[index as usize];
            if self.is_at(node, text, at) {
                if before != NONE {
                    self.move_to_front(parent, before, index);
                }
                return Some(index);
            }
            before = index;
            index = node.next_sibling;
        }
        None
    }

    #[inline]
    fn is_at(&self, node: &Node, text: &[u8], at: usize) -> bool {
        let length = node.text_length as usize;
        let stretch = &self.text[node.text_at as usize..][..length];
        if text.get(at..at + length) != Some(stretch) {
            return false;
        }
        match (node.hole, text.get(at + length)) {
            (Hole::End, _) => true,
            (Hole::Value { shape, .. }, Some(first)) => Shape::of(*first) == shape,
            (Hole::Value { .. }, None) => false,
        }
    }

    #[inline]
    fn move_to_front(&mut self, parent: u32, before: u32, index: u32) {
        self.nodes[before as usize].next_sibling = self.nodes[index as usize].next_sibling;
        self.nodes[index as usize].next_sibling = self.nodes[parent as usize].first_child;
        self.nodes[parent as usize].first_child = index;
    }

    /// Learns the event that the general parser read from `text`, if its kind repeats and nothing
    /// about it is strange.
    pub(super) fn learn(&mut self, text: &[u8], event: &Event<'_>) {
        let is_sound = !event.is_malformed
            && event.n_duplicate_keys == 0
            && event.n_unusable_fields == 0
            && matches!(event.phase, b'X' | b'i' | b's' | b't' | b'f');
        if !is_sound || self.nodes.len() > NODE_LIMIT {
            return;
        }
        // The text was read once; a fault only means that it is not learned.
        let Ok(Some(stretches)) = stretches(text) else { return };
        if stretches.iter().any(|stretch| stretch.end - stretch.begin > STRETCH_LIMIT) {
            return;
        }
        let mut parent = 0;
        for stretch in &stretches {
            let Some(child) = self.child(parent, text, stretch) else { return };
            parent = child;
        }
    }

    /// The child of `parent` for a stretch, new or not; none when there are too many.
    fn child(&mut self, parent: u32, text: &[u8], stretch: &Stretch) -> Option<u32> {
        let wanted = &text[stretch.begin..stretch.end];
        let mut index = self.nodes[parent as usize].first_child;
        let mut n_siblings = 0;
        while index != NONE {
            let node = &self.nodes[index as usize];
            let known = &self.text[node.text_at as usize..][..node.text_length as usize];
            if known == wanted && node.hole == stretch.hole {
                return Some(index);
            }
            index = node.next_sibling;
            n_siblings += 1;
        }
        if n_siblings == SIBLING_LIMIT {
            return None;
        }
        let index = self.nodes.len() as u32;
        self.nodes.push(Node {
            text_at: self.text.len() as u32,
            text_length: wanted.len() as u32,
            hole: stretch.hole,
            phase: stretch.phase,
            category: stretch.category,
            first_child: NONE,
            next_sibling: self.nodes[parent as usize].first_child,
        });
        self.text.extend_from_slice(wanted);
        self.nodes[parent as usize].first_child = index;
        Some(index)
    }
}

/// Reads the value at the cursor into its place. `None` when that is for the general parser.
#[inline]
fn fill<'a>(
    cursor: &mut Cursor<'a>,
    event: &mut Event<'a>,
    target: Target,
    shape: Shape,
) -> Option<()> {
    let value = match shape {
        Shape::Text => Value::Text(cursor.text().ok()?),
        Shape::Token => Value::Token(token(cursor)?),
        Shape::Nested => {
            return match target {
                Target::Arg(bit) => set_arg(cursor, &mut event.args, u32::from(bit)).ok(),
                Target::Unused => cursor.skip_nested().ok().map(|_| ()),
                Target::Field(_) => None,
            };
        }
    };
    match target {
        Target::Field(bit) => {
            set_field(event, u32::from(bit), value);
            (!event.is_malformed).then_some(())
        }
        // Sizes and operands that are no arrays.
        Target::Arg(bit) if matches!(u32::from(bit), GRID | BLOCK | 15 | 16) => None,
        Target::Arg(bit) => {
            set_scalar_arg(&mut event.args, u32::from(bit), value);
            Some(())
        }
        Target::Unused => match value {
            Value::Token(token) => is_plain(token).then_some(()),
            _ => Some(()),
        },
    }
}

/// The bytes up to the next delimiter.
#[inline]
fn token<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let rest = cursor.text.get(cursor.at..)?;
    let length = rest.iter().position(|byte| is_delimiter(*byte))?;
    cursor.at += length;
    (length > 0).then(|| &rest[..length])
}

#[inline]
fn is_plain(token: &[u8]) -> bool {
    token.iter().all(u8::is_ascii_digit) || number::is_json_token(token)
}

/// A stretch of an event that is being learned.
struct Stretch {
    begin: usize,
    end: usize,
    hole: Hole,
    phase: u8,
    category: Option<FixedCategory>,
}

/// Takes an event apart. `None` when it is of a kind that is not learned.
fn stretches(text: &[u8]) -> Step<Option<Vec<Stretch>>> {
    let mut pieces = Pieces::default();
    let mut cursor = Cursor::new(text, 0);
    cursor.expect(b'{', "an object")?;
    let mut is_first = true;
    while let Some(key) = cursor.key(&mut is_first)? {
        if key.is_escaped {
            return Ok(None);
        }
        let Some(bit) = field_bit(key.bytes) else {
            pieces.hole(&mut cursor, Target::Unused)?;
            continue;
        };
        match bit {
            PHASE | CATEGORY => {
                let Value::Text(value) = cursor.value()? else { return Ok(None) };
                if value.is_escaped || !pieces.fix(bit, value, cursor.at) {
                    return Ok(None);
                }
            }
            ARGS => {
                if cursor.peek()? != b'{' {
                    return Ok(None);
                }
                cursor.at += 1;
                let mut is_first = true;
                while let Some(key) = cursor.key(&mut is_first)? {
                    if key.is_escaped {
                        return Ok(None);
                    }
                    let target =
                        arg_bit(key.bytes).map_or(Target::Unused, |b| Target::Arg(b as u8));
                    pieces.hole(&mut cursor, target)?;
                }
            }
            bit => pieces.hole(&mut cursor, Target::Field(bit as u8))?,
        }
    }
    pieces.end(cursor.at, Hole::End);
    Ok(Some(pieces.stretches))
}

#[derive(Default)]
struct Pieces {
    begin: usize,
    phase: u8,
    category: Option<FixedCategory>,
    stretches: Vec<Stretch>,
}

impl Pieces {
    /// Ends a stretch in front of the value that stands next, and steps over that.
    fn hole(&mut self, cursor: &mut Cursor<'_>, target: Target) -> Step<()> {
        let shape = Shape::of(cursor.peek()?);
        self.end(cursor.at, Hole::Value { target, shape });
        cursor.skip_value()?;
        self.begin = cursor.at;
        Ok(())
    }

    fn end(&mut self, end: usize, hole: Hole) {
        let (phase, category) = (std::mem::take(&mut self.phase), self.category.take());
        self.stretches.push(Stretch { begin: self.begin, end, hole, phase, category });
    }

    /// Makes the value of `ph` or `cat` part of the stretch. `false` when that cannot be.
    fn fix(&mut self, bit: u32, value: RawText<'_>, end: usize) -> bool {
        if bit == PHASE {
            self.phase = value.bytes.first().copied().unwrap_or(0);
            return self.phase != 0;
        }
        let at = end - 1 - value.bytes.len() - self.begin;
        let (Ok(at), Ok(length)) = (u16::try_from(at), u16::try_from(value.bytes.len())) else {
            return false;
        };
        let category = Category::of(value.bytes);
        self.category = Some(FixedCategory { category, at, length });
        true
    }
}
