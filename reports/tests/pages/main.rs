//! The pages as people see them: a report and timelines, on a laptop and on a phone, in light and in dark.

#![allow(clippy::print_stderr, reason = "what was not looked at is said")]
#![allow(clippy::unwrap_used, reason = "a helper of a test may fail it as the test itself may")]

mod browser;
#[path = "../common/mod.rs"]
#[allow(dead_code, reason = "other tests need the rest of it")]
mod common;

use std::sync::LazyLock;

use browser::{LOOKS, Look, SOUND, is_missing, measure};
use common::{call, code, err};
use serde_json::{Value, json};

const LAPTOP: Look = LOOKS[0];
const PHONE: Look = LOOKS[2];

/// The page of a scenario's run.
fn timeline(scenario: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (trace, page) = (path("run.jsonl"), path("run.html"));
    let ran = call(&["run", scenario, "--trace", &trace]);
    assert_eq!(code(&ran), 0, "{}", err(&ran));
    let drawn = call(&["timeline", &trace, "-o", &page]);
    assert_eq!(code(&drawn), 0, "{}", err(&drawn));
    std::fs::read_to_string(page).unwrap()
}

/// Two take over at once, and one of the two claims is lost.
static SPLIT: LazyLock<String> = LazyLock::new(|| timeline("scenarios/failover/c01-split-by-delay.toml"));

/// The page of a check of one system, and the same where something is not as expected.
static REPORTS: LazyLock<(String, String)> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let out = path("out");
    let checked = call(&["check", "--quick", "--seeds", "2", "--system", "notes", "--out", &out, "--quiet"]);
    assert_eq!(code(&checked), 0, "{}", err(&checked));
    let read = |name: &str| std::fs::read_to_string(path(name)).unwrap();
    let mut report: Value = serde_json::from_str(&read("out/report.json")).unwrap();
    report["ok"] = json!(false);
    report["scenarios"][0]["ok"] = json!(false);
    report["scenarios"][0]["outcome"] = json!("holds, and was expected to violate something");
    std::fs::write(path("wrong.json"), report.to_string()).unwrap();
    let (wrong, merged) = (path("wrong.json"), path("merged.json"));
    assert_eq!(code(&call(&["merge", &wrong, "-o", &merged])), 1);
    (read("out/report.html"), read("merged.html"))
});

#[test]
fn what_is_pale_or_cut_is_found() {
    if is_missing() {
        return;
    }
    let page = "<body style='background:#fff'><p style='color:#999'>pale</p><p style='color:#000;width:2000px'>wide</p></body>";
    let found = measure(page, PHONE, SOUND);
    assert_eq!(found["texts"], 2);
    let bad = found["bad"].to_string();
    assert!(bad.contains("2.85 of contrast: pale") && bad.contains("cut: wide"), "{bad}");
}

/// Nothing is cut or too pale, however the page is looked at.
#[track_caller]
fn is_sound(page: &str) {
    for look in LOOKS {
        let found = measure(page, look, SOUND);
        assert!(found["texts"].as_u64().unwrap() > 20, "{look:?}: {found}");
        assert_eq!(found["bad"], json!([]), "{look:?}");
    }
}

#[test]
fn the_matrix_is_on_the_first_screen_of_a_laptop() {
    if is_missing() {
        return;
    }
    let page = &REPORTS.0;
    let found = measure(
        page,
        LAPTOP,
        "const box = $('.matrix')[0].getBoundingClientRect();\
         const links = $('.matrix td a');\
         const dead = links.filter((link) => !page.document.getElementById(link.getAttribute('href').slice(1)));\
         const heads = $('.matrix thead th').map((it) => it.textContent);\
         return { top: box.top, bottom: box.bottom, links: links.length, dead: dead.length, heads,\
                  kinds: [...new Set($('.matrix td').map((it) => it.className))].sort() };",
    );
    assert!(found["top"].as_f64().unwrap() < 200.0 && found["bottom"].as_f64().unwrap() <= 768.0, "{found}");
    assert!(found["links"].as_u64().unwrap() > 40, "{found}");
    assert_eq!(found["dead"], 0, "every cell leads to a row of the page");
    let heads: Vec<String> = serde_json::from_value(found["heads"].clone()).unwrap();
    for head in ["notes", "published", "hardened"] {
        assert!(heads.iter().any(|known| known == head), "{heads:?}");
    }
    let kinds: Vec<String> = serde_json::from_value(found["kinds"].clone()).unwrap();
    assert!(
        ["fails", "holds", "none"].iter().all(|kind| kinds.iter().any(|known| known == kind)),
        "{kinds:?}"
    );
}

#[test]
fn a_cell_leads_to_its_row_with_the_timeline_and_the_command() {
    if is_missing() {
        return;
    }
    let found = measure(
        &REPORTS.0,
        LAPTOP,
        "const link = $('.matrix td.fails a')[0];\
         const row = page.document.getElementById(link.getAttribute('href').slice(1));\
         for (let at = row; at; at = at.parentElement) if (at.tagName === 'DETAILS') at.open = true;\
         return { seen: row.getBoundingClientRect().height, text: row.textContent, links: [...row.querySelectorAll('a')].map((it) => it.textContent) };",
    );
    assert!(found["seen"].as_f64().unwrap() > 10.0, "{found}");
    assert!(found["text"].as_str().unwrap().contains("cloudchamber"), "the command is there: {found}");
    assert_eq!(found["links"], json!(["timeline", "trace"]));
}

#[test]
fn a_report_is_sound_at_every_width_and_in_the_dark() {
    if is_missing() {
        return;
    }
    is_sound(&REPORTS.0);
}

#[test]
fn failover_times_are_pictures_with_their_bound() {
    if is_missing() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().to_str().unwrap();
    let measured = call(&["bench", "failover", "--profile", "syncthing", "--seeds", "2", "--out", out]);
    assert_eq!(code(&measured), 0, "{}", err(&measured));
    let page = std::fs::read_to_string(dir.path().join("bench.html")).unwrap();
    is_sound(&page);
    let found = measure(
        &page,
        LAPTOP,
        "const picture = $('figure')[0];\
         return { pictures: $('figure').length, curves: picture.querySelectorAll('path.curve').length,\
                  bounds: picture.querySelectorAll('line.bound').length, keys: [...picture.querySelectorAll('.key')].map((it) => it.textContent) };",
    );
    assert_eq!((&found["pictures"], &found["curves"], &found["bounds"]), (&json!(3), &json!(3), &json!(1)));
    let keys = found["keys"].to_string();
    assert!(["published", "available", "majority", "bound"].iter().all(|name| keys.contains(name)), "{keys}");
    assert!(!keys.contains("p50"), "two runs have no median: {keys}");
}

#[test]
fn what_is_not_as_expected_comes_first() {
    if is_missing() {
        return;
    }
    let page = &REPORTS.1;
    is_sound(page);
    let found = measure(
        page,
        LAPTOP,
        "return { said: $('.verdict')[0].textContent, wrong: $('ul.wrong li').length,\
                  cells: $('.matrix td.unexpected').length, bottom: $('ul.wrong')[0].getBoundingClientRect().bottom };",
    );
    assert!(found["said"].as_str().unwrap().starts_with("Not as expected: one result"), "{found}");
    assert_eq!((&found["wrong"], &found["cells"]), (&json!(1), &json!(1)));
    assert!(found["bottom"].as_f64().unwrap() < 300.0, "{found}");
}

#[test]
fn a_timeline_of_every_system_is_sound() {
    if is_missing() {
        return;
    }
    is_sound(&SPLIT);
    for scenario in [
        "scenarios/journal/f18-a-removal-that-does-not-stick.toml",
        "scenarios/delta/d01-equal-versions.toml",
        "scenarios/notes/n07-one-cut-file-empties-the-note.toml",
    ] {
        let page = timeline(scenario);
        is_sound(&page);
        let found = measure(
            &page,
            LAPTOP,
            "$('#drawing')[0].dispatchEvent(new page.KeyboardEvent('keydown', { key: '0' }));\
             return { marks: $('text.glyph').length, ways: $('path.way').length, lanes: $('text.lane').length };",
        );
        for what in ["marks", "ways", "lanes"] {
            assert!(found[what].as_u64().unwrap() > 1, "{scenario}: {found}");
        }
    }
}

#[test]
fn a_timeline_says_why_two_were_active() {
    if is_missing() {
        return;
    }
    let found = measure(
        &SPLIT,
        LAPTOP,
        "const rect = $('#drawing rect.overlap')[0];\
         return { lanes: $('text.name').map((it) => it.textContent), hosts: $('text.host').map((it) => it.textContent),\
                  hatched: $('#drawing rect.overlap').length, fill: rect.getAttribute('fill'), lost: $('g.travel.lost').length,\
                  moment: $('#moment')[0].textContent, said: $('ul.violations')[0].textContent,\
                  story: $('#story')[0].textContent, body: [...page.document.body.children].filter((it) => it.tagName !== 'SCRIPT').map((it) => it.textContent).join() };",
    );
    assert_eq!(found["lanes"], json!(["cloud", "a", "b", "c"]));
    assert_eq!(found["hosts"], json!(["mac-a", "mac-b", "mac-c"]));
    assert_eq!((&found["hatched"], &found["fill"]), (&json!(2), &json!("url(#hatch)")));
    assert_eq!(found["lost"], 1, "the claim that lost is drawn");
    let text = |what: &str| found[what].as_str().unwrap().to_owned();
    let moment = text("moment");
    assert!(moment.contains("believes that it is the active one"), "{moment}");
    assert!(moment.contains("what it wrote to state.json has not left it"), "{moment}");
    assert!(moment.contains("the version of state.json that lost"), "{moment}");
    assert!(moment.contains("activeDevice"), "the losing claim can be read: {moment}");
    assert!(text("said").contains("at most one active"), "{}", text("said"));
    let story = text("story");
    assert!(story.contains("b suspects a after ") && story.contains(" s of silence"), "{story}");
    let body = text("body");
    assert!(!body.contains("some(") && !body.contains("Some("), "nothing is told in Rust's words");
}

#[test]
fn steps_filters_zoom_and_links_do_what_they_say() {
    if is_missing() {
        return;
    }
    let found = measure(
        &SPLIT,
        LAPTOP,
        "const press = (key) => $('#drawing')[0].dispatchEvent(new page.KeyboardEvent('keydown', { key }));\
         const moment = () => $('#moment h2')[0].textContent, ticks = () => $('#drawing svg > g > text').map((it) => it.textContent).join();\
         const out = { first: moment() };\
         press('ArrowRight'); out.next = moment(); press('ArrowLeft'); out.back = moment();\
         press('0'); out.whole = ticks(); press('+'); press('+'); out.near = ticks(); press('-'); press('-'); out.far = ticks();\
         out.ways = $('g.travel').length;\
         $('#files input').filter((it) => it.checked).forEach((it) => it.click()); out.noFile = $('g.travel').length;\
         $('#replicas input')[0].click(); out.lanes = $('text.lane').map((it) => it.textContent);\
         press('v'); out.violation = moment();\
         page.location.hash = '#t=60000'; page.dispatchEvent(new page.HashChangeEvent('hashchange')); out.linked = moment();\
         return out;",
    );
    let text = |what: &str| found[what].as_str().unwrap();
    assert_ne!(text("first"), text("next"));
    assert_eq!(text("first"), text("back"));
    assert_ne!(text("whole"), text("near"));
    assert_eq!(text("whole"), text("far"));
    assert!(found["ways"].as_u64().unwrap() > 3, "{found}");
    assert_eq!((&found["noFile"], &found["lanes"]), (&json!(0), &json!(["b", "c"])));
    assert_eq!(text("violation"), text("first"));
    assert_eq!(text("linked"), "At 60.000 s");
}

#[test]
fn a_file_shows_what_changed_in_it() {
    if is_missing() {
        return;
    }
    let found = measure(
        &SPLIT,
        PHONE,
        "const lost = $('g.travel.lost path.hit')[0];\
         lost.dispatchEvent(new page.MouseEvent('click', { bubbles: true }));\
         return { kept: $('#moment pre del').length, came: $('#moment pre ins').map((it) => it.textContent).join(), pre: $('#moment pre')[0].textContent };",
    );
    assert!(found["kept"].as_u64().unwrap() > 0, "{found}");
    assert!(found["came"].as_str().unwrap().contains("mac-c"), "{found}");
}

#[test]
fn ten_thousand_events_are_drawn_in_a_blink() {
    if is_missing() {
        return;
    }
    let mut run: Value = serde_json::from_str(
        SPLIT.split("type=\"application/json\">").nth(1).unwrap().split("</script>").next().unwrap(),
    )
    .unwrap();
    let travel = run["travels"][0].clone();
    run["end_ms"] = json!(1_200_000);
    run["travels"] = (0..10_000_u64)
        .map(|number| {
            let mut travel = travel.clone();
            let ms = number * 120;
            travel["path"] = json!(format!("devices/{}.json", number % 40));
            (travel["written_ms"], travel["taken_ms"]) = (json!(ms), json!(ms + 900));
            travel["arrivals"] = json!([["b", ms + 2_000], ["c", ms + 3_000]]);
            travel
        })
        .collect();
    let before = SPLIT.split("type=\"application/json\">").next().unwrap();
    let after = SPLIT.split("type=\"application/json\">").nth(1).unwrap().split_once("</script>").unwrap().1;
    let page = format!("{before}type=\"application/json\">{run}</script>{after}");
    let found = measure(
        &page,
        LAPTOP,
        "const press = (key) => $('#drawing')[0].dispatchEvent(new page.KeyboardEvent('keydown', { key }));\
         press('0');\
         const each = []; for (let at = 0; at < 10; at++) { const began = page.performance.now(); press(at % 2 ? '-' : '+'); each.push(page.performance.now() - began); }\
         return { each: Math.min(...each), ways: $('g.travel').length, dots: $('rect.dot').length, elements: $('#drawing *').length };",
    );
    assert!(found["elements"].as_u64().unwrap() < 6_000, "no spaghetti: {found}");
    assert!(found["ways"].as_u64().unwrap() <= 220 && found["dots"].as_u64().unwrap() > 100, "{found}");
    // The quickest of ten: others may be at work on this machine.
    assert!(found["each"].as_f64().unwrap() < 200.0, "{found}");
}
