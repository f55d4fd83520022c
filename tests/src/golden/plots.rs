//! The course of a few connections, drawn.

use super::figures::usual_path;
use super::folder;
use super::path::{Path, endless, name};
use net_core::config::CongestionAlgorithm;
use net_core::sim::Outage;
use net_core::time::{Duration, Instant};
use std::path::PathBuf;

/// A drawing, by the name of its file.
#[derive(Debug)]
pub struct Plot {
    /// Its name, also that of its file.
    pub name: &'static str,
    title: &'static str,
    path: fn() -> Path,
    /// When nothing gets through.
    outage: Option<(Duration, Duration)>,
}

/// Every drawing.
pub const PLOTS: &[Plot] = &[
    Plot {
        name: "no-loss",
        title: "100 Mbit/s, 40 ms, one BDP of buffer",
        path: usual_path,
        outage: None,
    },
    Plot {
        name: "one-percent-lost",
        title: "100 Mbit/s, 40 ms, 1 % lost",
        path: || with_loss(10_000),
        outage: None,
    },
    Plot {
        name: "reordering",
        title: "100 Mbit/s, 40 ms, 5 % overtaken by up to 10 ms",
        path: with_reordering,
        outage: None,
    },
    Plot {
        name: "outage",
        title: "100 Mbit/s, 40 ms, an outage of 300 ms after 10 s",
        path: usual_path,
        outage: Some((Duration::from_secs(10), Duration::from_millis(300))),
    },
];

impl Plot {
    /// The file that it is kept in.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        folder().join(format!("{}.svg", self.name))
    }

    /// Draws the course of a flow of CUBIC over 20 s.
    ///
    /// # Panics
    /// If the simulation does not get on.
    #[must_use]
    pub fn draw(&self) -> String {
        let algorithm = CongestionAlgorithm::Cubic;
        let path = (self.path)();
        let mut dumbbell = path.dumbbell(1, 1);
        let bottleneck = dumbbell.bottleneck();
        dumbbell.start(0, |to| endless(to, algorithm));
        let network = dumbbell.network_mut();
        network.trace(SAMPLE, &[bottleneck]);
        if let Some((at, time)) = self.outage {
            let at = Instant::ZERO + at;
            let mut dark = path.there();
            dark.outage = Some(Outage::Lose);
            network.fabric_mut().change_at(bottleneck, at, dark);
            let light = path.there();
            network.fabric_mut().change_at(bottleneck, at + time, light);
        }
        network.run_for(TIME).expect("the simulation gets on");
        let tracer = network.traced().expect("traced from the start");
        let (_, series) = tracer.connections().next().expect("a connection");
        series.to_svg(&format!("{}, {}", self.title, name(algorithm)))
    }
}

fn with_loss(per_million: u32) -> Path {
    let mut path = usual_path();
    path.there.loss_ppm = per_million;
    path
}

fn with_reordering() -> Path {
    let mut path = usual_path();
    path.there.reorder_ppm = 50_000;
    path.there.reorder_by = Some(path.rtt / 4);
    path
}

const TIME: Duration = Duration::from_secs(20);
const SAMPLE: Duration = Duration::from_millis(50);
