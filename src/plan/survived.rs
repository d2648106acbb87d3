//! What a plan has survived.

use std::fmt;

use super::point::CrashPoint;
use crate::machine::Name;

/// The crashes that a plan has survived.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CrashReport {
    /// The name of the plan.
    pub plan: String,
    /// Who has crashed.
    pub process: Name,
    /// Where it has crashed, in the order of the run in which nobody had. Empty if `CHILDMINDER_CRASH_POINT` asks for
    /// another plan or process.
    pub points: Vec<CrashPoint>,
    /// Where it has not, though it was tried several times: the process had ended by itself before KILL came, or had
    /// printed less than before. Of these points nothing is known.
    pub not_reached: Vec<CrashPoint>,
}

/// In one line.
impl fmt::Display for CrashReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plan, process, points, not_reached } = self;
        match (&points[..], &not_reached[..]) {
            ([], []) => return write!(f, "plan {plan} passes; {process} was not to crash"),
            ([], _) => write!(f, "plan {plan} passes; {process} has crashed at no point")?,
            ([point], _) => write!(f, "plan {plan} survives that {process} crashes at {point}")?,
            _ => {
                write!(f, "plan {plan} survives that {process} crashes, at each of {} points", points.len())?
            }
        }
        for (i, point) in not_reached.iter().enumerate() {
            write!(f, "{} {point}", if i == 0 { "; not reached:" } else { "," })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_reached_is_said() {
        let survived = |points: &[usize], not_reached: &[usize]| {
            let process = Name::new("server").expect("a name");
            let steps = |steps: &[usize]| steps.iter().copied().map(CrashPoint::Step).collect();
            let (points, not_reached) = (steps(points), steps(not_reached));
            CrashReport { plan: "shop".to_owned(), process, points, not_reached }.to_string()
        };
        assert_eq!(survived(&[], &[]), "plan shop passes; server was not to crash");
        assert_eq!(survived(&[4], &[]), "plan shop survives that server crashes at step:4");
        assert_eq!(
            survived(&[2, 3], &[4, 5]),
            "plan shop survives that server crashes, at each of 2 points; not reached: step:4, step:5"
        );
        assert_eq!(
            survived(&[], &[4]),
            "plan shop passes; server has crashed at no point; not reached: step:4"
        );
    }
}
