//! What is replaced, and what is not.

use super::*;

/// One account of a person, one of a package, and two that come with the distribution.
fn users() -> BTreeMap<u32, String> {
    [(0, "root"), (6, "disk"), (110, "postgres"), (1001, "alice")]
        .map(|(id, name)| (id, name.to_owned()))
        .into()
}

fn redactor(style: Style) -> Redactor {
    let mut redactor = Redactor::new(style);
    redactor.know_host("web-1.example.com");
    redactor.know_users(&users());
    redactor.know(Kind::Kept, "postgres");
    redactor
}

#[test]
fn the_same_name_has_the_same_pseudonym() {
    let mut redactor = redactor(Style::Report);
    for (text, expected) in [
        ("web-1 and WEB-1.example.com, not web-10 or myweb", "host-1 and host-1, not web-10 or myweb"),
        ("alice's, malice, run as root on the disk", "user-1's, malice, run as root on the disk"),
        ("postgres: 61 %", "postgres: 61 %"),
        ("waits for 10.1.2.3:5432 and 10.1.2.3", "waits for address-1:5432 and address-1"),
        ("[2001:db8::7]:80, fe80::1%eth0 via 127.0.0.1", "[address-2]:80, address-3%eth0 via 127.0.0.1"),
        ("::ffff:10.1.2.3, ::1, at 12:34:56", "address-1, ::1, at 12:34:56"),
        ("de:ad:be:ef:00:01 DE-AD-BE-EF-00-01", "address-4 address-4"),
        ("2001:DB8:0:0::7 [dead::beef]:1", "address-2 [address-5]:1"),
        ("MAC=00:11:22:33:44:55:66:77:88:99:aa:bb:08:00", "MAC=address-6:address-7"),
        (
            "std::vector<int>::push, a::b, v1.2.3.4.5, 6.1.0",
            "std::vector<int>::push, a::b, v1.2.3.4.5, 6.1.0",
        ),
        ("/home/alice/x y, /home/bob", "/home/user-1/path-1 y, /home/user-2"),
        ("/root/.ssh/id;/home/alice/x", "/root/path-2;/home/user-1/path-1"),
        ("docker:4f5e6d7c8b9a", "docker:id-1"),
        ("0c3f2c9a-1111-2222-3333-444455556666", "id-2"),
        ("http://shop.example.org:8080/cart", "http://host-2:8080/cart"),
        ("mounted from nas.corp:/export", "mounted from host-3:/export"),
        ("mail to bob@mail.example.org", "mail to user-2@host-4"),
        ("user-1000.slice user@1000.service", "user-3.slice user@user-3.service"),
        ("user-0.slice, user@0.service", "user-0.slice, user@0.service"),
        ("/run/user/1000/x run-user-1000.mount", "/run/user/user-3/path-1 run-user-3.mount"),
        (
            "home-alice.mount /srv/alice_data home-bob.mount",
            "home-user-1.mount /srv/user-1_data home-user-2.mount",
        ),
        ("db.example.com, DB.EXAMPLE.COM.", "host-5, host-5."),
        ("https://bob:secret@shop.example.org/", "https://user-4@host-2/"),
        ("bob@nas.corp:/export nas.corp,nas:/export", "user-2@host-3:/export nas.corp,host-6:/export"),
        ("//nas.corp/share password=hunter2,rw", "//host-3/share password=id-3,rw"),
        ("/dev/disk/by-id/ata-ACME_1234 on /mnt", "/dev/disk/by-id/id-4 on /mnt"),
        ("pod0c3f2c9a_1111_2222_3333_444455556666.slice", "podid-2.slice"),
        ("sysctl vm.swappiness /proc/net/dev", "sysctl vm.swappiness /proc/net/dev"),
        ("backup-alice.service getty@tty1.service", "backup-user-1.service getty@tty1.service"),
        ("lib.so.6.0.30 0xffffffff81000000 php8.2-fpm", "lib.so.6.0.30 0xffffffff81000000 php8.2-fpm"),
    ] {
        assert_eq!(redactor.text(text), expected);
    }
    assert_eq!(redactor.unit("lxc:shop"), "lxc:id-5");
    assert_eq!(
        (redactor.user("root"), redactor.host("web-1.example.com")),
        ("root".to_owned(), "host-1".to_owned())
    );
}

#[test]
fn a_process_that_is_called_like_something_else_hides_nothing() {
    let mut redactor = redactor(Style::Report);
    redactor.know(Kind::Path, "/srv/home/alice/my data");
    assert_eq!(redactor.text("in /srv/home/alice/my data"), "in /srv/home/user-1/path-1");
    for comm in ["10", "10.1", "nas", "alice_worker", "vm", "kworker/0:1", "/opt/home/x"] {
        redactor.know(Kind::Kept, comm);
    }
    assert_eq!(redactor.text("10.1.2.3 and nas:/export"), "address-1 and host-2:/export");
    assert_eq!(redactor.text("kworker/0:1 /opt/home/x"), "kworker/0:1 /opt/home/user-2");
    assert_eq!(redactor.text("10 and nas, alice_worker of alice"), "10 and nas, alice_worker of user-1");
}

#[test]
fn a_user_with_an_ordinary_name_leaves_the_paths_of_every_system() {
    let mut redactor = Redactor::new(Style::Raw);
    redactor.know_users(&BTreeMap::from([(1000, "dev".to_owned()), (1001, "system".to_owned())]));
    redactor.know_host("usr");
    for (text, expected) in [
        ("/dev/sda1 on /usr,/srv/dev", "/dev/sda1 on /usr,/srv/user-1"),
        ("0::/system.slice/dev.service", "0::/system.slice/user-1.service"),
        ("job of dev on usr", "job of user-1 on host-1"),
    ] {
        assert_eq!(redactor.text(text), expected);
    }
}

#[test]
fn each_part_of_a_sentence_has_the_pseudonym_of_its_kind() {
    use crate::model::sentence::{Span, address, device, path, process, quote, ratio, sentence, unit};
    let mut redactor = redactor(Style::Report);
    let mut said = sentence![
        "The disk of alice: ",
        process("alice"),
        " of ",
        Span::User("alice".to_owned()),
        " in ",
        path("/home/alice/my disk, full"),
        " at ",
        ratio(0.5),
        " on ",
        device("wg-alice"),
        ", ",
        Span::Host("web-1".to_owned()),
        ", ",
        address("10.1.2.3"),
        ", ",
        unit("lxc:alice"),
        "; ",
        quote("web-1: killed alice"),
    ];
    redactor.sentence(&mut said);
    assert_eq!(
        said,
        "The disk of alice: alice of user-1 in /home/user-1/path-1 at 50 % on wg-user-1, host-1, address-1, lxc:id-1; \
         host-1: killed user-1"
    );
}

#[test]
fn names_of_functions_stay_but_for_the_paths_in_them() {
    let mut redactor = redactor(Style::Report);
    for (symbol, expected) in [
        ("alice_main", "alice_main"),
        ("std::map<int, a::b>::find(int const&)", "std::map<int, a::b>::find(int const&)"),
        ("JS:*main /home/alice/my app.js:10:5", "JS:*main /home/user-1/path-1:10:5"),
        ("JS:*main /srv/alice/app.js:10:5", "JS:*main /srv/user-1/app.js:10:5"),
        ("py::run:/home/bob/x.py", "py::run:/home/user-2/path-2"),
    ] {
        assert_eq!(redactor.function(symbol), expected);
    }
}

#[test]
fn a_user_is_the_same_by_name_and_by_number() {
    let mut redactor = Redactor::new(Style::Report);
    redactor.know_users(&BTreeMap::from([(1000, "alice".to_owned()), (1001, "bob-2".to_owned())]));
    let text = "alice: user-1000.slice /run/user/1000, home-bob\\x2d2.mount user@1001.service bob-2";
    let expected = "user-1: user-1.slice /run/user/user-1, home-user-2.mount user@user-2.service user-2";
    assert_eq!(redactor.text(text), expected);
    assert_eq!(redactor.user("1001"), "user-2");
}

#[test]
fn a_forgotten_name_does_not_free_its_pseudonym() {
    let mut redactor = redactor(Style::Report);
    for number in 0..REMEMBERED_MAX {
        redactor.pseudonym(Kind::Command, &format!("x {number}"));
    }
    redactor.know(Kind::Command, "grep secret");
    assert_eq!(redactor.text("alice"), "user-1");
    redactor.end_window();
    assert!(redactor.numbers.len() < 10, "{:?}", redactor.numbers);
    assert_eq!(redactor.text("alice on web-1"), "user-1 on host-1");
    assert_eq!(redactor.pseudonym(Kind::Command, "x 0"), format!("command-{}", REMEMBERED_MAX + 1));
    assert_eq!(redactor.text("grep secret"), "grep secret");
}

#[test]
fn a_name_that_looks_like_a_pseudonym_is_not_reused() {
    let mut redactor = Redactor::new(Style::Report);
    let users: Vec<String> =
        ["user-2", "carol", "dave", "user-1", "user-2", "user-01"].map(|user| redactor.user(user)).to_vec();
    assert_eq!(users, ["user-2", "user-1", "user-3", "user-4", "user-2", "user-5"]);
}

#[test]
fn what_is_read_again_keeps_its_form() {
    let mut redactor = redactor(Style::Raw);
    let id = "4f5e6d7c8b9a".repeat(5) + "aabb";
    let text = format!(
        "0::/system.slice/docker-{id}.scope 10.1.2.3 2001:db9::1 0c3f2c9a-1111-2222-3333-444455556666"
    );
    assert_eq!(
        redactor.text(&text),
        format!(
            "0::/system.slice/docker-{}.scope 198.18.0.1 2001:db8:d1a6::2 00000000-0000-4000-8000-000000000002",
            format!("{:012x}", 1) + &"0".repeat(52)
        )
    );
    assert_eq!(redactor.text("CapEff: 000001ffffffffff"), "CapEff: 000001ffffffffff");
    assert_eq!(redactor.bytes(b"a\xff 10.1.2.3\xfe"), b"a\xff 198.18.0.1\xfe");
}

#[test]
fn names_of_any_kind_do_no_harm() {
    for text in
        ["", "/home/", "/home//", "::", "@", "a@b.", "http://", ":/", "日本/home/é/ü", "1.2.3.4.", "/root/"]
    {
        let once = redactor(Style::Report).text(text);
        assert!(once.len() < 60, "{once}");
    }
}

/// A name of some kind, in one spelling.
fn sentence() -> impl proptest::strategy::Strategy<Value = (Kind, String)> {
    use proptest::prelude::*;
    prop_oneof![
        any::<[u8; 4]>().prop_map(|bytes| (Kind::Address, core::net::Ipv4Addr::from(bytes).to_string())),
        any::<[u16; 8]>()
            .prop_filter("such have two spellings", |words| words[0] > 0)
            .prop_map(|words| (Kind::Address, core::net::Ipv6Addr::from(words).to_string())),
        "0[0-9a-f](:[0-9a-f]{2}){5}".prop_map(|mac| (Kind::Address, mac)),
        "[a-z]{3}[0-9]{2}[0-9a-f]{27}".prop_map(|_| (Kind::Path, "x".to_owned())),
        "[0-9a-f]{64}".prop_map(|id| (Kind::Id, id)),
        "(carol|dave|user-[1-9])".prop_map(|user| (Kind::User, user)),
        "(shop|nas|host-[2-9])\\.corp".prop_map(|host| (Kind::Host, host)),
    ]
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn equal_names_stay_equal_and_others_differ(words in proptest::collection::vec(sentence(), 1..12), raw: bool) {
        let style = if raw { Style::Raw } else { Style::Report };
        let mut redactor = redactor(style);
        let put: Vec<String> = words.iter().map(|(kind, word)| redactor.pseudonym(*kind, word)).collect();
        for (a, one) in words.iter().zip(&put) {
            for (b, other) in words.iter().zip(&put) {
                proptest::prop_assert_eq!(a == b, one == other, "{:?} {} {:?} {}", a, one, b, other);
            }
        }
        let text = |redactor: &mut Redactor, all: &[String]| redactor.text(&all.join(" "));
        let whole = format!("web-1 {}", words.iter().map(|(_, word)| word.as_str()).collect::<Vec<_>>().join(" "));
        let once = text(&mut redactor, &[whole]);
        let mut again = Redactor::new(style);
        again.know_host("host-1");
        proptest::prop_assert_eq!(text(&mut again, std::slice::from_ref(&once)), once);
    }

    #[test]
    fn no_address_and_no_name_is_left(
        before in "[ (\"=,;]{1,3}", after in "[ )\",;]{1,3}", v4: [u8; 4], v6: [u16; 8], text: String,
    ) {
        let (v4, v6) = (core::net::Ipv4Addr::from(v4), core::net::Ipv6Addr::from(v6));
        let given = format!("{before}{v4}{after}{v6}{before}alice{after}/home/alice/secret{after}web-1 {text}");
        let left = redactor(Style::Report).text(&given);
        let own = v4.is_loopback() || v4.is_unspecified();
        let whole = format!("{before}{v4}{after}");
        proptest::prop_assert!(own || !left.contains(&whole));
        let own = v6.is_loopback() || v6.is_unspecified();
        proptest::prop_assert!(own || !left.contains(&v6.to_string()), "{left}");
        proptest::prop_assert!(!left.contains("secret"), "{left}");
        proptest::prop_assert!(!left.contains("alice") || text.contains("alice"));
    }
}
