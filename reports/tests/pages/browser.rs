//! A headless Chromium that looks at a page: at a width, in light or dark, with a script that does and measures things.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

/// How a page is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) dark: bool,
}

/// A laptop and a phone, light and dark.
pub(crate) const LOOKS: [Look; 4] = [
    Look { width: 1366, height: 768, dark: false },
    Look { width: 1366, height: 768, dark: true },
    Look { width: 390, height: 844, dark: false },
    Look { width: 390, height: 844, dark: true },
];

/// Where Chromium is: as `CHROMIUM` says, or under one of its usual names; `None` if there is none.
fn chromium() -> Option<PathBuf> {
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = std::env::split_paths(&path).flat_map(|dir| {
        ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"].map(|name| dir.join(name))
    });
    named.into_iter().chain(usual).find(|file| file.is_file())
}

/// Whether there is no Chromium, which is then said: nothing else of the tests needs one, so they do not fail without.
/// Where `CHROMIUM` names one, it has to be there.
pub(crate) fn is_missing() -> bool {
    if chromium().is_some() {
        return false;
    }
    let named = std::env::var("CHROMIUM");
    assert!(named.is_err(), "CHROMIUM is {named:?}, and there is no such file; name Chromium's program");
    eprintln!(
        "not looked at: pages need Chromium, and there is none; install it (Debian: apt-get install chromium), or name \
         its program in the environment as CHROMIUM"
    );
    true
}

/// Opens a page in a frame of the size of a look, runs `script` within it once it is drawn, and returns what that returns.
///
/// The script is the body of a function of `page`, the page's window, and `$`, which finds all elements of a selector.
#[track_caller]
pub(crate) fn measure(page: &str, look: Look, script: &str) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("frame.html");
    let Look { width, height, dark } = look;
    let escaped = page.replace('&', "&amp;").replace('"', "&quot;");
    // A window of Chromium is 500 pixels wide at the least; a frame can be a phone.
    let frame = format!(
        "<!doctype html><meta charset=\"utf-8\"><meta name=\"color-scheme\" content=\"light dark\"><body style=\"margin:0\">\
         <iframe id=\"frame\" width=\"{width}\" height=\"{height}\" style=\"border:0\" srcdoc=\"{escaped}\"></iframe>\
         <pre id=\"measured\"></pre><script>\
         document.getElementById('frame').addEventListener('load', () => {{ let said; try {{\
         const page = document.getElementById('frame').contentWindow;\
         const $ = (selector) => [...page.document.querySelectorAll(selector)];\
         said = {{ value: (() => {{ {script} }})() }};\
         }} catch (error) {{ said = {{ error: String(error && error.stack || error) }}; }}\
         document.getElementById('measured').textContent = JSON.stringify(said); }});</script>"
    );
    std::fs::write(&file, frame).unwrap();
    let mut command = Command::new(chromium().expect("a test asks first whether there is one"));
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]);
    command.arg(format!("--user-data-dir={}", dir.path().join("profile").display()));
    command.arg("--window-size=1500,1000");
    if dark {
        command.arg("--blink-settings=preferredColorScheme=0");
    }
    let output = command.arg("--dump-dom").arg(&file).output().unwrap();
    let dom = String::from_utf8_lossy(&output.stdout);
    let measured = dom.split("<pre id=\"measured\">").nth(1).and_then(|rest| rest.split("</pre>").next());
    let measured =
        measured.unwrap_or_default().replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">");
    let said: Value = serde_json::from_str(&measured.replace("&amp;", "&")).unwrap_or_else(|error| {
        panic!("{look:?}: {error}: {measured}\n{}", String::from_utf8_lossy(&output.stderr))
    });
    assert!(said.get("error").is_none(), "{look:?}: {said}");
    said["value"].clone()
}

/// What every page has to keep to: nothing is cut at the right, and texts have a contrast of 4.5 at least.
pub(crate) const SOUND: &str = r##"
    const number = (text) => text.match(/[\d.]+/g).map(Number);
    const light = (rgb) => { const [r, g, b] = rgb.slice(0, 3).map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
    const behind = (it) => { for (; it; it = it.parentElement) { const c = number(page.getComputedStyle(it).backgroundColor); if (c.length < 4 || c[3] > 0.99) return c; } return [255, 255, 255]; };
    const wide = page.innerWidth, bad = [];
    if (page.document.documentElement.scrollWidth > wide) bad.push("the page is " + page.document.documentElement.scrollWidth + " wide");
    const walker = page.document.createTreeWalker(page.document.body, 4);
    let texts = 0;
    while (walker.nextNode()) {
        const it = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || ["SCRIPT", "STYLE", "TITLE"].includes(it.tagName) || it.tagName === "title") continue;
        const box = it.getBoundingClientRect();
        if (!box.width || !box.height || it.closest("details:not([open]) > :not(summary)")) continue;
        texts += 1;
        const style = page.getComputedStyle(it);
        const colour = number(it instanceof page.SVGElement ? style.fill : style.color);
        const [a, b] = [light(colour), light(behind(it))];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < 4.5) bad.push(contrast.toFixed(2) + " of contrast: " + walker.currentNode.data.slice(0, 40));
        if (!it.closest("svg") && (box.left < -1 || box.right > wide + 1)) bad.push("cut: " + walker.currentNode.data.slice(0, 40));
    }
    return { texts, bad: [...new Set(bad)].slice(0, 12) };
"##;
