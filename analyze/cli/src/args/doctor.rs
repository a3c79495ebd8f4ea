use clap::Args;

/// Say what will work on this machine, what will not, and what to do about it
///
/// Looks at the driver, every libcupti, NVML, MIG, MPS and virtual GPUs, other profilers, clocks
/// and the disk. What could crash is asked in a process of its own.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  underspan doctor
  underspan doctor --json | jq '.checks[] | select(.health == \"bad\")'")]
pub(crate) struct DoctorArgs {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,

    /// Answer one question, as the process of its own does
    #[arg(long, hide = true, value_name = "WHAT")]
    pub(crate) probe: Option<String>,
}
