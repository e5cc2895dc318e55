//! The bottlenecks and the resources that they are a lack of. Names are stable for ever: monitors group by them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString, IntoStaticStr};

/// A bottleneck; in the JSON its kebab-case name. What it means is in its rule.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Display,
    EnumIter,
    EnumString,
    IntoStaticStr,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
#[expect(missing_docs, reason = "the rule of each says what it is")]
pub enum BottleneckId {
    None,
    Unknown,
    Clocksource,
    ConntrackFull,
    CpuInterrupts,
    CpuPinned,
    CpuSingleThread,
    CpuSteal,
    CpuSystem,
    CpuThermal,
    CpuThrottled,
    CpuUser,
    DiskFull,
    DiskLatency,
    DiskSaturated,
    ExternalWait,
    FdExhaustion,
    HwError,
    InodesFull,
    IoBlocked,
    IoBound,
    IoThrottled,
    KthreadHog,
    ListenOverflow,
    LockContention,
    MemoryCgroupLimit,
    MemoryLow,
    MemoryOom,
    MemoryReclaim,
    MemorySwap,
    MemoryUnowned,
    NetDrops,
    NetRetransmits,
    NetSaturated,
    NumaRemote,
    PidExhaustion,
    PortExhaustion,
    RtHog,
    ShortLivedProcesses,
    ThpCompaction,
    WritebackStall,
    Zombies,
}

impl BottleneckId {
    /// The name in the JSON.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether it names a bottleneck: neither `none` nor `unknown`.
    pub fn is_bottleneck(self) -> bool {
        !matches!(self, Self::None | Self::Unknown)
    }
}

impl PartialEq<&str> for BottleneckId {
    fn eq(&self, name: &&str) -> bool {
        self.as_str() == *name
    }
}

/// In the schema a plain string: ids are added within version 1.
impl JsonSchema for BottleneckId {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        String::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        String::json_schema(generator)
    }
}

/// What a bottleneck is a lack of.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Display,
    EnumIter,
    IntoStaticStr,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Resource {
    /// CPU time.
    Cpu,
    /// Memory.
    Memory,
    /// Disks and file systems.
    Io,
    /// The network.
    Network,
    /// Limits and tables of the kernel.
    Limits,
    /// Failing hardware.
    Hardware,
    /// No resource: `none` and `unknown`.
    None,
}

/// The order of the process table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sort {
    /// CPU time.
    Cpu,
    /// Memory: proportional set size where known, and swap.
    Memory,
    /// Bytes from and to devices.
    Io,
    /// Waiting: for a CPU, or in uninterruptible sleep.
    Wait,
}

#[cfg(test)]
mod tests {
    use super::*;
    use strum::IntoEnumIterator as _;

    #[test]
    fn a_name_is_the_same_in_json_and_in_text() {
        for id in BottleneckId::iter() {
            assert_eq!(serde_json::to_value(id).unwrap(), serde_json::Value::from(id.as_str()));
            assert_eq!(id.as_str().parse::<BottleneckId>().unwrap(), id);
        }
        assert_eq!(BottleneckId::ShortLivedProcesses.as_str(), "short-lived-processes");
    }
}
