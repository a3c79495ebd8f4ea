use clap::{Args, ValueEnum};

/// Say what kernels are from their names: operation, role, precision, tensor cores, library
///
/// Names may be spelt as any profiler spells them, mangled or not. "unknown" is an answer.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  underspan classify volta_sgemm_128x64_tn nvjet_tst_128x256_64x4_2x1_v_bz_TNT
  underspan classify --format json < names.txt | jq -r 'select(.tensor_core == \"no\").name'
  underspan stats trace.json.gz --report kernels --format json | jq -r '.[].name' | underspan classify")]
pub(crate) struct ClassifyArgs {
    /// Kernel names; without any, one per line is read from standard input
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,

    /// Output format
    #[arg(long, value_enum, default_value_t = ClassifyFormat::Text)]
    pub(crate) format: ClassifyFormat,
}

/// How `classify` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ClassifyFormat {
    /// A table for people
    Text,
    /// One object per line and name, stable
    Json,
}
