//! A profile made by hand, for the tests of the renderers.

use crate::model::profile::{
    Counters, Frame, Profile, ProfileMode, ProfileWait, SampledEvent, Space, Syscall,
};
use crate::render::test_report::HOSTILE;

/// What the samples of the busy box show.
pub(crate) fn profile() -> Profile {
    Profile {
        pid: Some(4242),
        comm: "php-fpm".to_owned(),
        processes_count: 12,
        mode: ProfileMode::OnCpu,
        seconds: 5.003,
        event: Some(SampledEvent::CpuClock),
        frequency_hertz: 99,
        samples_count: 495,
        lost_count: 3,
        attached: false,
        throttled_count: 1,
        cut_ratio: 0.12,
        frames: vec![
            frame("zend_hash_find", "php-fpm8.2", Space::User, 0.41),
            Frame {
                unnamed_reason: Some("it is stripped".to_owned()),
                ..frame("opcache.so", "opcache.so", Space::User, 0.3)
            },
            frame(LONG_NAME, "libstdc++.so.6.0.30", Space::User, 0.12),
            frame("clear_page_erms", "[kernel]", Space::Kernel, 0.034),
        ],
        syscalls: vec![
            Syscall {
                count: Some(5000),
                errors_count: Some(4990),
                error: Some("EAGAIN".to_owned()),
                seconds_per_call: Some(0.0082),
                subject: Some("a timer".to_owned()),
                subject_ratio: Some(0.98),
                ..syscall("epoll_wait", 0.22)
            },
            syscall("read", 0.11),
        ],
        syscalls_seconds: Some(2.0),
        waits: vec![ProfileWait {
            wait: "swap".to_owned(),
            function: Some("folio_wait_bit_common".to_owned()),
            syscall: None,
            subject: Some("the page cache".to_owned()),
            kernel_stack: vec!["folio_wait_bit_common".to_owned(), "do_swap_page".to_owned()],
            ratio: 0.6,
            seconds: 30.0,
        }],
        counters: Some(Counters {
            instructions_per_cycle: Some(0.81),
            cache_miss_ratio: Some(0.12),
            branch_miss_ratio: None,
        }),
        stacks: [
            "php-fpm;_start;main;execute_ex;zend_hash_find 203",
            "php-fpm;_start;main;execute_ex;[opcache.so] 149",
            "php-fpm;_start;main;execute_ex;asm_exc_page_fault_[k];clear_page_erms_[k] 17",
        ]
        .map(str::to_owned)
        .to_vec(),
    }
}

const LONG_NAME: &str = "std::__introsort_loop<__gnu_cxx::__normal_iterator<int*, std::vector<int> >, long, \
    __gnu_cxx::__ops::_Iter_less_iter>(int*, int*, long, __gnu_cxx::__ops::_Iter_less_iter)";

/// The same, with [`HOSTILE`] wherever a word comes from outside.
pub(crate) fn hostile() -> Profile {
    let mut profile = profile();
    let name = || HOSTILE.to_owned();
    profile.comm = name();
    for frame in &mut profile.frames {
        frame.symbol = name();
        frame.module = Some(name());
    }
    profile.frames[1].unnamed_reason = Some(name());
    profile.frames[2].symbol = HOSTILE.repeat(1 << 12);
    for call in &mut profile.syscalls {
        call.name = name();
        call.error = Some(name());
        call.subject = Some(name());
    }
    for wait in &mut profile.waits {
        wait.function = Some(name());
        wait.syscall = Some(name());
        wait.subject = Some(name());
        wait.kernel_stack = vec![name()];
    }
    profile.stacks = vec![
        format!("{HOSTILE};main 5"),
        format!("{HOSTILE};]]> 1.5 7"),
        format!("# no comment;{HOSTILE}_[k] 3"),
        "\u{fffe}\u{ffff}\u{fffd};'\"&amp;<!-- --><script>alert(1)</script> 2".to_owned(),
        "not counted".to_owned(),
    ];
    profile
}

fn frame(symbol: &str, module: &str, space: Space, ratio: f64) -> Frame {
    Frame {
        symbol: symbol.to_owned(),
        module: Some(module.to_owned()),
        space,
        self_ratio: ratio,
        total_ratio: ratio,
        unnamed_reason: None,
    }
}

fn syscall(name: &str, ratio: f64) -> Syscall {
    Syscall {
        name: name.to_owned(),
        count: None,
        errors_count: None,
        error: None,
        cpu_seconds: Some(ratio * 5.0),
        cpu_ratio: Some(ratio),
        seconds_per_call: None,
        subject: None,
        subject_ratio: None,
    }
}
