//! Routes as `ip route` prints them.

use super::hops::Way;
use super::{Decision, Multipath, NextHop, RouteTable, TableId, Weight};
use crate::iface::{IfaceId, IpCidr};
use alloc::string::String;
use core::fmt::{self, Write as _};

impl RouteTable {
    /// A line for each route: the words that add it again. `table` is which one this is, and `iface` gives the
    /// names of interfaces.
    pub(crate) fn show<'a>(
        &self,
        table: TableId,
        iface: &dyn Fn(IfaceId) -> Option<&'a str>,
    ) -> String {
        lines(table, self.shared(), iface)
    }

    /// The same of exactly one prefix.
    pub(crate) fn show_to<'a>(
        &self,
        table: TableId,
        prefix: IpCidr,
        iface: &dyn Fn(IfaceId) -> Option<&'a str>,
    ) -> String {
        let routes = self.shared_to(prefix).map(|ways| (prefix, ways));
        lines(table, routes, iface)
    }
}

fn lines<'a, 'n>(
    table: TableId,
    routes: impl Iterator<Item = (IpCidr, &'a [Way])>,
    iface: &dyn Fn(IfaceId) -> Option<&'n str>,
) -> String {
    let mut text = String::new();
    for (prefix, ways) in routes {
        let line = Line {
            table,
            prefix,
            ways,
            iface,
        };
        writeln!(text, "{line}").expect("strings take everything");
    }
    text
}

/// The ways of one route.
struct Line<'a, 'n> {
    table: TableId,
    prefix: IpCidr,
    ways: &'a [Way],
    iface: &'a dyn Fn(IfaceId) -> Option<&'n str>,
}

impl fmt::Display for Line<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.ways.first() else {
            return Ok(());
        };
        let Some(route) = Multipath::of(self.prefix, self.ways) else {
            return self.fmt_end(f, first);
        };
        self.fmt_prefix(f)?;
        let alone = match route.hops[..] {
            [only] if only.weight == Weight::ONE => Some(only),
            _ => None,
        };
        if let Some(only) = alone {
            self.fmt_hop(f, &only)?;
        }
        if let Some(source) = route.source {
            write!(f, " src {source}")?;
        }
        fmt_metric(f, route.metric)?;
        if let Some(only) = alone {
            return fmt_onlink(f, &only);
        }
        for hop in &route.hops {
            f.write_str(" nexthop")?;
            self.fmt_hop(f, hop)?;
            write!(f, " weight {}", hop.weight)?;
            fmt_onlink(f, hop)?;
        }
        Ok(())
    }
}

impl Line<'_, '_> {
    /// A way that leads nowhere.
    fn fmt_end(&self, f: &mut fmt::Formatter<'_>, way: &Way) -> fmt::Result {
        let decision = way.decision(self.prefix);
        match decision {
            Decision::Local => f.write_str("local ")?,
            Decision::Reject(reject) => write!(f, "{reject} ")?,
            Decision::Route(_) => {}
        }
        self.fmt_prefix(f)?;
        fmt_metric(f, way.metric)?;
        match (decision, self.table) {
            // Without a word they would be added to the local table.
            (Decision::Local, TableId::MAIN) => f.write_str(" table main"),
            (Decision::Local, TableId(number)) if self.table != TableId::LOCAL => {
                write!(f, " table {number}")
            }
            _ => Ok(()),
        }
    }

    fn fmt_prefix(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix.prefix_len {
            0 => f.write_str("default"),
            len => write!(f, "{}/{len}", self.prefix.address),
        }
    }

    fn fmt_hop(&self, f: &mut fmt::Formatter<'_>, hop: &NextHop) -> fmt::Result {
        if let Some(via) = hop.via {
            write!(f, " via {via}")?;
        }
        write!(f, " dev {}", (self.iface)(hop.iface).unwrap_or("?"))
    }
}

fn fmt_metric(f: &mut fmt::Formatter<'_>, metric: u32) -> fmt::Result {
    match metric {
        0 => Ok(()),
        metric => write!(f, " metric {metric}"),
    }
}

fn fmt_onlink(f: &mut fmt::Formatter<'_>, hop: &NextHop) -> fmt::Result {
    if hop.onlink {
        f.write_str(" onlink")
    } else {
        Ok(())
    }
}
