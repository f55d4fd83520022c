//! How large the segments of a connection are (RFC 9293 §3.7.1): by what the peer takes, the path carries, and options
//! leave.

use super::congestion::{Congestion, CongestionControl};
use super::connection::Connection;
use super::mtu_probe::MtuSearch;
use crate::config::TcpConfig;
use crate::must::must;
use crate::socket::TcpSettings;
use crate::time::Instant;

impl Connection {
    /// Computes the effective send MSS (RFC 9293 §3.7.1) of a path whose packets carry `path_mss`
    /// bytes behind IP and a bare TCP header, and sizes the initial window by it.
    pub(crate) fn settle_mss(&mut self, path_mss: u16, config: &TcpConfig, settings: &TcpSettings) {
        self.set_path_mss(path_mss, config, settings);
        if self.board.delivered() == 0 {
            let (algorithm, chance) = (settings.congestion, self.iss.get());
            self.congestion = Congestion::new(algorithm, self.mss, config, chance);
        }
    }

    /// The path's MTU is known.
    pub(crate) fn set_path_mss(
        &mut self,
        path_mss: u16,
        config: &TcpConfig,
        settings: &TcpSettings,
    ) {
        self.mss = self.mss_over(path_mss, config, settings);
        self.mtu = MtuSearch::default();
        self.congestion.set_segment_size(self.mss);
    }

    /// A router says that packets of at most `mtu` bytes pass, which have `path_mss` bytes behind bare headers,
    /// where the own link takes `link_mss` of those; whether segments get smaller. They do not get larger by it
    /// (RFC 1191 §3, RFC 8899 §3): where smaller ones are known to pass that is where a search need not go beyond.
    pub(crate) fn hear_path_mss(
        &mut self,
        mtu: u16,
        [path_mss, link_mss]: [u16; 2],
        config: &TcpConfig,
        settings: &TcpSettings,
        now: Instant,
    ) -> bool {
        let told = self.mss_over(path_mss, config, settings);
        let link = self.mss_over(link_mss, config, settings);
        let smaller = told < self.mss || !must("8899 MUST 3.8");
        if smaller {
            let before = self.mss;
            self.set_path_mss(path_mss, config, settings);
            if told < link {
                self.mtu = MtuSearch::after_message(mtu, told, link, now);
            }
            self.keep_segments_of_window(before);
        } else {
            self.mtu.limit_to(mtu, told, link, now);
        }
        smaller
    }

    /// The options of the IP header take another number of bytes than `before`: what is known to pass the path does
    /// not change, so that segments have room for the difference.
    pub(crate) fn change_option_bytes(
        &mut self,
        before: u8,
        path_mss: u16,
        config: &TcpConfig,
        settings: &TcpSettings,
    ) {
        let (before, after) = (before.into(), settings.ip.option_bytes.into());
        let shifted = |size: u32| size.saturating_add(before).saturating_sub(after);
        let most = self.mss_over(path_mss, config, settings);
        let least = u32::from(config.min_segment).min(most);
        let old = self.mss;
        self.mss = shifted(old).clamp(least, most);
        self.mtu.shift(shifted);
        self.congestion.set_segment_size(self.mss);
        if self.mss < old {
            self.keep_segments_of_window(old);
        }
    }

    /// Where segments have got smaller than `before`, the window shrinks as they do, lest there be more of
    /// them at once (RFC 5681 §3.1, RFC 4821 §4). As many of them leave, which is no sign of congestion
    /// (RFC 8201 §5.4). So do the windows to which a recovery may lead back, be it over or for nothing.
    pub(super) fn keep_segments_of_window(&mut self, before: u32) {
        self.congestion.keep_segments(before, self.mss);
    }

    /// The largest segment for a path whose packets carry `path_mss` bytes.
    fn mss_over(&self, path_mss: u16, config: &TcpConfig, settings: &TcpSettings) -> u32 {
        let stamped = self.ts_recent.is_some() && must("9293 MUST-16");
        let options = if stamped { 12 } else { 0 };
        let options = options + u16::from(settings.ip.option_bytes);
        let limit = settings.max_segment.unwrap_or(u16::MAX);
        let most = self.peer_mss.min(path_mss).min(limit);
        u32::from(most.saturating_sub(options).max(config.min_segment))
    }
}
