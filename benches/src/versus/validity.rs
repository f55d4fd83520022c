//! When a comparison counts: the peers must be as good as they are known to be.

use super::figures::Figures;
use super::workload::{Quantity, Workload};
use crate::host::link::Offloads;
use crate::stacks::StackName;

/// Why the comparison is void; nothing if it counts.
#[must_use]
pub fn objections(figures: &Figures, offloads: Option<&Offloads>) -> Vec<String> {
    let mut objections = Vec::new();
    for (workload, known) in KNOWN_RATIOS {
        let row = (workload, Quantity::Gbit);
        let least = known * TOLERANCE;
        match figures.ratio(row, StackName::Smoltcp, StackName::Kernel) {
            Some(ratio) if ratio >= least => {}
            Some(ratio) => objections.push(format!(
                "smoltcp reaches {ratio:.3} of the kernel in {}, known are {known} (at least {least:.3})",
                workload.label()
            )),
            None => objections.push(format!(
                "smoltcp or the kernel was not measured in {}",
                workload.label()
            )),
        }
    }
    match offloads {
        Some(offloads) if offloads.tso && offloads.gro => {}
        Some(_) => objections.push("the veth pair lacks TSO or GRO".into()),
        None => objections.push("the offloads of the veth pair are not known".into()),
    }
    objections
}

/// What smoltcp is known to reach of the kernel over veth on one stream.
const KNOWN_RATIOS: [(Workload, f64); 2] = [(Workload::Up1, 0.22), (Workload::Down1, 0.10)];
/// The part of it that a valid comparison shows.
const TOLERANCE: f64 = 0.85;

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(smoltcp: [f64; 2]) -> Figures {
        let mut figures = Figures::default();
        for ((workload, _), value) in KNOWN_RATIOS.into_iter().zip(smoltcp) {
            figures.add(StackName::Kernel, workload, &[(Quantity::Gbit, 1.0)]);
            figures.add(StackName::Smoltcp, workload, &[(Quantity::Gbit, value)]);
        }
        figures
    }

    fn offloads(gro: bool) -> Offloads {
        Offloads {
            tso: true,
            gro,
            lines: Vec::new(),
        }
    }

    #[test]
    fn a_comparison_counts_when_smoltcp_is_as_fast_as_known() {
        let objections = objections(&figures([0.20, 0.09]), Some(&offloads(true)));
        assert_eq!(objections, Vec::<String>::new());
    }

    #[test]
    fn a_slow_peer_or_a_link_without_offload_voids_it() {
        assert_eq!(
            objections(&figures([0.15, 0.09]), Some(&offloads(true))).len(),
            1
        );
        assert_eq!(
            objections(&figures([0.20, 0.05]), Some(&offloads(false))).len(),
            2
        );
    }
}
