use clap::Args;

/// Explain a finding: what it means, how it is told from look-alikes, what to do
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  underspan explain-finding          every finding, a line each
  underspan explain-finding D4       one of them")]
pub(crate) struct ExplainFindingArgs {
    /// D1 to D19
    #[arg(value_name = "ID")]
    pub(crate) id: Option<String>,
}
