//! Swarms as sections of a page.

use cloudchamber_folder::checks::Kind;
use maud::{Markup, html};

use super::ecdf::{self, Line};
use super::links;
use super::matrix::chip;
use super::table::{Table, number, text};
use crate::report::swarm::{SwarmReport, Verdict};

/// What random faults found: for each system its checkers down and its designs across, then each swarm.
pub(super) fn section(swarms: &[SwarmReport]) -> Markup {
    html! {
        p {
            "Every seed draws its own machines, files, faults and people. A checker's cell says in how many runs it was "
            "violated; what is " em { "counted" } " cannot be prevented by anybody who only has files, and fails nothing."
        }
        @for swarms in swarms.chunk_by(|one, next| one.system == next.system) {
            @if let Some(first) = swarms.first() {
                h3 { (first.system) }
                (by_checker(swarms))
                @for swarm in swarms { (of_swarm(swarm)) }
            }
        }
    }
}

/// What a swarm's design is called.
fn design(swarm: &SwarmReport) -> String {
    match &swarm.policy {
        None => swarm.design.clone(),
        Some(policy) if swarm.design == "published" => format!("published {policy}"),
        Some(policy) => policy.clone(),
    }
}

fn by_checker(swarms: &[SwarmReport]) -> Markup {
    let mut designs: Vec<String> = Vec::new();
    for swarm in swarms {
        if !designs.contains(&design(swarm)) {
            designs.push(design(swarm));
        }
    }
    let verdicts: Vec<&Verdict> =
        swarms.first().map_or(vec![], |first| first.verdicts.iter().chain(&first.counted).collect());
    let heads = ["checker".to_owned(), "kind".to_owned()].into_iter().chain(designs.iter().cloned());
    let mut table = Table::new(heads).folding("checkers");
    for verdict in verdicts {
        let name = html! {
            b { (verdict.checker.replace('_', " ")) }
            @if !verdict.about.is_empty() { br; small { (verdict.about) } }
        };
        let mut cells = vec![text(name), text(kind(verdict.kind))];
        for design in &designs {
            cells.push(number(share(swarms, design, verdict)));
        }
        table.row(cells);
    }
    table.markup()
}

pub(super) fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Counted => "counted only",
        Kind::Liveness => "liveness",
        Kind::Reached => "must be reached",
        Kind::Safety => "safety",
    }
}

/// In how many of a design's runs a checker was violated.
fn share(swarms: &[SwarmReport], of: &str, verdict: &Verdict) -> Markup {
    let mine = swarms.iter().filter(|swarm| design(swarm) == of);
    let (mut violated, mut runs, mut reached, mut all) = (0, 0, 0, 0);
    for swarm in mine {
        let mut both = swarm.verdicts.iter().chain(&swarm.counted);
        let Some(found) = both.find(|found| found.checker == verdict.checker) else { continue };
        violated += found.violated;
        runs += swarm.seeds.run;
        reached += usize::from(found.violated == 0);
        all += 1;
    }
    html! {
        @match verdict.kind {
            Kind::Reached => { (reached) " of " (all) " swarms" }
            _ if violated == 0 => { "0 of " (runs) }
            Kind::Counted => { (violated) " of " (runs) }
            _ => { b.found { (violated) " of " (runs) } }
        }
    }
}

fn of_swarm(swarm: &SwarmReport) -> Markup {
    let fixed = swarm.fixed();
    let found = swarm.verdicts.iter().chain(&swarm.counted).filter(|verdict| verdict.first.is_some());
    let mut table = Table::new(["checker", "kind", "runs", "first seen", "look at it"]);
    for verdict in found {
        let look = html! {
            (links(verdict.trace.as_ref()))
            @if let Some(command) = &verdict.reproduce { code { (command) } }
        };
        table.row(vec![
            text(verdict.checker.replace('_', " ")),
            text(kind(verdict.kind)),
            number(verdict.violated),
            text(html! { @if let Some(first) = &verdict.first { small { (first) } } }),
            text(look),
        ]);
    }
    html! {
        details id=(swarm.anchor()) open[!swarm.missed.is_empty()] {
            summary {
                (chip(swarm.state())) " " (swarm.name())
                @if !fixed.is_empty() { ", " (fixed.join(", ")) }
                ": " (swarm.seeds.run) " runs"
            }
            p {
                "Seeds " (swarm.seeds.from) ".." (swarm.seeds.to) ", "
                (format!("{:.0} h", swarm.simulated_s / 3_600.0)) " of virtual time in " (format!("{:.1} s", swarm.wall_s)) ", "
                (format!("{:.0}", swarm.runs_per_s)) " runs/s, "
                (format!("{:.0}", swarm.simulated_s_per_cpu_s)) " virtual seconds a processor second. "
                (swarm.determinism.checked) " seeds ran twice, " (swarm.determinism.mismatches) " of them in another way."
            }
            @for missed in &swarm.missed { p.fail { (missed) } }
            (table.markup())
        }
    }
}

/// How long it takes to come together again, a picture for each provider and system that samples it.
pub(super) fn convergence(swarms: &[SwarmReport]) -> Markup {
    let sampled: Vec<_> = swarms.iter().filter(|swarm| swarm.convergence.samples > 0).collect();
    html! {
        p { "Which share of the runs has come together again how long after a loss, or after something was written, whatever else goes wrong meanwhile." }
        @for swarms in sampled.chunk_by(|one, next| one.system == next.system) {
            @if let Some(first) = swarms.first() {
                h3 { (first.system) ": " (first.convergence.words) }
                div.pictures { @for profile in profiles(swarms) { (of_profile(swarms, profile)) } }
            }
        }
    }
}

fn profiles<'a>(swarms: &[&'a SwarmReport]) -> Vec<&'a str> {
    let mut profiles: Vec<&str> = Vec::new();
    for swarm in swarms {
        if !profiles.contains(&&*swarm.profile) {
            profiles.push(&swarm.profile);
        }
    }
    profiles
}

fn of_profile(swarms: &[&SwarmReport], profile: &str) -> Markup {
    let mine = swarms.iter().filter(|swarm| swarm.profile == profile && swarm.fixed().is_empty());
    let lines: Vec<_> = mine
        .map(|swarm| Line {
            name: design(swarm),
            class: ecdf::class(&swarm.design, swarm.policy.as_deref()),
            of: &swarm.convergence,
        })
        .collect();
    html! { @if !lines.is_empty() { (ecdf::picture(profile, &lines, None)) } }
}
