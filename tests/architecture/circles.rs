//! No two folders depend on each other, directly or by way of others.

use super::source::{Source, sources};
use std::collections::{BTreeMap, BTreeSet};

/// Rooms whose folders are looked at as well.
const ROOMS: [&str; 3] = ["collect", "diagnose", "render"];

/// Which folder uses which, and an example of each use.
type Graph = BTreeMap<String, BTreeMap<String, String>>;

/// The folders and files directly below `room`, or the rooms themselves for an empty one. What is written in the
/// `mod.rs` of a room belongs to none of them.
fn graph(sources: &[Source], room: &[&str]) -> Graph {
    let part_of = |path: &[String]| {
        let below = path.iter().map(String::as_str).take(room.len()).eq(room.iter().copied());
        below.then(|| path.get(room.len()).cloned()).flatten()
    };
    let parts: BTreeSet<String> = sources.iter().filter_map(|source| part_of(&source.module)).collect();
    let mut graph = Graph::new();
    for source in sources {
        let Some(from) = part_of(&source.module) else { continue };
        for path in source.dependencies() {
            if let Some(to) = part_of(path).filter(|to| *to != from && parts.contains(to)) {
                let example = format!("{} uses {}", source.name(), path.join("::"));
                graph.entry(from.clone()).or_default().entry(to).or_insert(example);
            }
        }
    }
    graph
}

/// One circle for each pair of parts that reach each other, the shortest way round.
fn circles(graph: &Graph) -> Vec<Vec<String>> {
    let mut found: Vec<Vec<String>> = Vec::new();
    for start in graph.keys() {
        if let Some(circle) = shortest_way_back(graph, start) {
            let mut members: Vec<String> = circle.clone();
            members.sort();
            let known = |other: &Vec<String>| {
                let mut other = other.clone();
                other.sort();
                other == members
            };
            if !found.iter().any(known) {
                found.push(circle);
            }
        }
    }
    found
}

fn shortest_way_back(graph: &Graph, start: &str) -> Option<Vec<String>> {
    let mut ways: Vec<Vec<String>> = vec![vec![start.to_owned()]];
    let mut seen = BTreeSet::new();
    let mut next = 0;
    while next < ways.len() {
        let way = ways[next].clone();
        next += 1;
        for to in graph.get(way.last()?).into_iter().flat_map(BTreeMap::keys) {
            if to == start {
                return Some(way);
            }
            if seen.insert(to.clone()) {
                ways.push([way.clone(), vec![to.clone()]].concat());
            }
        }
    }
    None
}

/// A circle with the use behind each of its steps.
fn described(graph: &Graph, circle: &[String]) -> String {
    let steps = circle.iter().zip(circle.iter().cycle().skip(1));
    let uses: Vec<String> = steps.map(|(from, to)| format!("    {}", graph[from][to])).collect();
    format!("{} -> {}\n{}", circle.join(" -> "), circle[0], uses.join("\n"))
}

#[test]
fn folders_do_not_depend_on_each_other_in_a_circle() {
    let sources: Vec<Source> =
        sources().into_iter().filter(|source| !source.name().contains("test_")).collect();
    let mut found = Vec::new();
    let rooms = ROOMS.iter().map(|room| vec![*room]);
    for room in std::iter::once(Vec::new()).chain(rooms) {
        let mut graph = graph(&sources, &room);
        while let Some(circle) = circles(&graph).into_iter().next() {
            found.push(described(&graph, &circle));
            // One circle at a time: without this use, the next one shows.
            let next = &circle[1 % circle.len()];
            graph.get_mut(&circle[0]).unwrap().remove(next);
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn circles_of_two_and_of_three_are_found() {
    let source = |module: &[&str], text: &str| Source::new(module, text);
    let sources = [
        source(&["a", "x"], "use crate::b::y;"),
        source(&["b", "y"], "fn f() { crate::c::z(); }"),
        source(&["c"], "use crate::a; use crate::d;"),
        source(&["d"], "use crate::c;"),
        source(&["e"], "use crate::a;"),
    ];
    let found = circles(&graph(&sources, &[]));
    assert_eq!(found, [vec!["a", "b", "c"], vec!["c", "d"]]);
    assert_eq!(described(&graph(&sources, &[]), &found[1]), "c -> d -> c\n    c uses d\n    d uses c");
    let sources = [
        source(&["a", "x", "one"], "use super::super::y::two;"),
        source(&["a", "y", "two"], "use crate::a::x;"),
        source(&["a"], "use crate::a::x; mod x; fn f() { x::g() }"),
        source(&["b", "x"], "use crate::a::y;"),
    ];
    assert_eq!(circles(&graph(&sources, &["a"])), [vec!["x", "y"]]);
    assert_eq!(circles(&graph(&sources, &[])), [[""; 0]; 0]);
}
