//! A report as data: headings, paragraphs, tables. Renderers turn it into text, Markdown or CSV.

/// A report.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Document {
    /// Its parts in reading order.
    pub blocks: Vec<Block>,
}

/// One part of a report.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// The title of what follows.
    Heading(String),
    /// Running text.
    Paragraph(String),
    /// Short statements.
    List(Vec<String>),
    /// Rows of cells.
    Table(ReportTable),
}

/// A table with named columns.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReportTable {
    /// Column heads, left to right.
    pub columns: Vec<Column>,
    /// Rows, each as long as `columns`.
    pub rows: Vec<Vec<String>>,
}

/// The head of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its title.
    pub title: String,
    /// Where its cells stand.
    pub align: Align,
}

/// Where cells stand in their column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

impl Document {
    /// Adds a heading.
    pub fn heading(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Heading(text.into()));
    }

    /// Adds a paragraph.
    pub fn paragraph(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Paragraph(text.into()));
    }

    /// Adds a list; an empty one adds nothing.
    pub fn list(&mut self, items: Vec<String>) {
        if !items.is_empty() {
            self.blocks.push(Block::List(items));
        }
    }

    /// Adds a table; one without rows adds nothing.
    pub fn table(&mut self, table: ReportTable) {
        if !table.rows.is_empty() {
            self.blocks.push(Block::Table(table));
        }
    }
}

impl ReportTable {
    /// A table without rows. A title that ends in `<` heads a left-aligned column; all others are
    /// right-aligned, as numbers are.
    pub fn new(titles: &[&str]) -> Self {
        let columns = titles
            .iter()
            .map(|title| match title.strip_suffix('<') {
                Some(title) => Column { title: title.to_owned(), align: Align::Left },
                None => Column { title: (*title).to_owned(), align: Align::Right },
            })
            .collect();
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row.
    ///
    /// # Panics
    /// When it is not as long as the table is wide.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().collect();
        assert_eq!(cells.len(), self.columns.len(), "a row has one cell per column");
        self.rows.push(cells);
    }
}
