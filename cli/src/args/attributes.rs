//! The options for the limits and priorities of the program.

use childminder::Spec;
use childminder::host::{IoPriority, Limit, Resource};

use crate::values::size;

/// The limits and priorities of the program.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Limits and priorities")]
pub(crate) struct Attributes {
    /// Sets a resource limit, soft and hard, such as nofile=1024, core=0, as=2G, nofile=1024:4096 or
    /// nproc=unlimited; may be repeated
    #[arg(long, value_name = "L=N[:N]", value_parser = limit)]
    pub(crate) limit: Vec<(Resource, u64, u64)>,

    /// The nice value, from -20 to 19
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(i32).range(-20..=19))]
    pub(crate) nice: Option<i32>,

    /// The adjustment of the OOM score, from -1000, never killed when memory runs out, to 1000, killed first
    /// (Linux)
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(i32).range(-1000..=1000))]
    pub(crate) oom_score_adj: Option<i32>,

    /// The I/O priority: 'idle', or 'best-effort' or 'real-time' with a level from 0, the highest, to 7, as
    /// in best-effort:6 (Linux)
    #[arg(long, value_name = "P", value_parser = io_priority)]
    pub(crate) io_priority: Option<IoPriority>,
}

impl Attributes {
    /// Sets the attributes of `spec`.
    pub(crate) fn apply(&self, mut spec: Spec) -> Spec {
        for (resource, soft, hard) in &self.limit {
            spec = spec.limit(*resource, *soft, *hard);
        }
        if let Some(nice) = self.nice {
            spec = spec.nice(nice);
        }
        if let Some(score) = self.oom_score_adj {
            spec = spec.oom_score_adj(score);
        }
        if let Some(priority) = self.io_priority {
            spec = spec.io_priority(priority);
        }
        spec
    }
}

/// Parses `nofile=1024` or `nofile=1024:4096`. One number is both limits, as for `ulimit`.
pub(crate) fn limit(text: &str) -> Result<(Resource, u64, u64), String> {
    let (name, numbers) = text.split_once('=').ok_or("expected a name, '=' and a number")?;
    let resource = name.parse::<Resource>().map_err(|error| error.to_string())?;
    let number = |text| if text == "unlimited" { Ok(Limit::UNLIMITED) } else { size::parse(text) };
    let (soft, hard) = numbers.split_once(':').unwrap_or((numbers, numbers));
    let (soft, hard) = (number(soft)?, number(hard)?);
    if soft > hard {
        return Err("the soft limit is above the hard limit".to_owned());
    }
    Ok((resource, soft, hard))
}

/// Parses `idle`, `best-effort:4` or `real-time:0`.
pub(crate) fn io_priority(text: &str) -> Result<IoPriority, &'static str> {
    let (class, level) = text.split_once(':').unwrap_or((text, "4"));
    let level = level.parse::<u8>().ok().filter(|level| *level <= 7).ok_or("expected a level from 0 to 7")?;
    match (class, text.contains(':')) {
        ("idle", false) => Ok(IoPriority::Idle),
        ("idle", true) => Err("'idle' has no level"),
        ("best-effort", _) => Ok(IoPriority::BestEffort(level)),
        ("real-time", _) => Ok(IoPriority::RealTime(level)),
        _ => Err("expected 'idle', 'best-effort' or 'real-time'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_has_one_number_or_two() {
        assert_eq!(limit("nofile=1024"), Ok((Resource::OpenFiles, 1024, 1024)));
        assert_eq!(limit("as=1G:unlimited"), Ok((Resource::AddressSpace, 1 << 30, u64::MAX)));
        for bad in ["nofile", "nofile=", "nofile=-1", "files=1", "nofile=2:1", "core=unlimited:0"] {
            assert!(limit(bad).is_err(), "{bad}");
        }
        assert!(limit("files=1").unwrap_err().contains("the names are as, core"));
    }

    #[test]
    fn an_io_priority_is_a_class_with_a_level() {
        assert_eq!(io_priority("idle"), Ok(IoPriority::Idle));
        assert_eq!(io_priority("best-effort"), Ok(IoPriority::BestEffort(4)));
        assert_eq!(io_priority("real-time:0"), Ok(IoPriority::RealTime(0)));
        for bad in ["", "idle:1", "best-effort:8", "best", "real-time:x"] {
            assert!(io_priority(bad).is_err(), "{bad}");
        }
    }
}
