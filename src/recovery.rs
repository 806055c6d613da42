//! The recovery sheet: what somebody needs who has paper, the storage, and has never seen zvault.

use std::fmt::Write as _;
use std::str::FromStr;

use thiserror::Error;
use vault_format::{Identity, Time, VaultId, limits};
use zeroize::Zeroizing;

use crate::keys::Words;
use crate::qr::{self, QrError};
use crate::vault::Vault;

/// What a sheet says about a vault. No secret is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet {
    /// The vault.
    pub vault: VaultId,
    /// When the sheet was made.
    pub time: Time,
    /// The newest roster records of then: a store that does not show them shows an older state.
    pub heads: Vec<Identity>,
    /// Where the vault was.
    pub url: String,
}

impl Sheet {
    /// The sheet of a vault as it is now.
    pub fn of(vault: &Vault) -> Self {
        // Of many, those that no device with `pair` can crowd out.
        let heads = vault.roster().next_place(vault.device_id()).0;
        let time = Time { nanos: 0, ..crate::now() };
        Self { vault: vault.id(), time, heads, url: vault.public_url().to_owned() }
    }

    /// What the QR code of a sheet holds: `ZVAULT1:vault:seconds:head,head:url`.
    pub fn text(&self) -> String {
        let heads: Vec<String> = self.heads.iter().map(ToString::to_string).collect();
        format!("{MARK}:{}:{}:{}:{}", self.vault, self.time.secs, heads.join(","), self.url)
    }

    /// A page that any browser shows and prints, with the words if they are given.
    pub fn html(&self, words: Option<&Words>) -> Result<Zeroizing<String>, SheetError> {
        let code = qr::svg(&self.text())?;
        let mut page = Zeroizing::new(String::with_capacity(code.len() + PAGE));
        page.push_str(HTML_HEAD);
        page.push_str("<h1>Recovery sheet of a zvault vault</h1>\n<div class=\"qr\">");
        page.push_str(&code);
        page.push_str("</div>\n<dl>");
        for (name, value) in self.facts() {
            let _ = write!(page, "<dt>{name}</dt><dd>{}</dd>", escape(&value));
        }
        page.push_str("</dl>\n");
        match words {
            Some(words) => {
                page.push_str("<h2>The 24 words</h2>\n<ol class=\"words\">");
                for word in words.iter() {
                    let _ = write!(page, "<li>{word}</li>");
                }
                page.push_str("</ol>\n");
            }
            None => page.push_str(HTML_NO_WORDS),
        }
        for (title, lines) in self.instructions(words.is_some()) {
            let _ = write!(page, "<h2>{title}</h2>\n<ul>");
            for line in lines {
                let _ = write!(page, "<li>{}</li>", escape(&line));
            }
            page.push_str("</ul>\n");
        }
        page.push_str("</body></html>\n");
        Ok(page)
    }

    /// The same as a drawing of one page of A4.
    pub fn svg(&self, words: Option<&Words>) -> Result<Zeroizing<String>, SheetError> {
        let code = qr::svg(&self.text())?;
        let mut page = Zeroizing::new(String::with_capacity(code.len() + PAGE));
        page.push_str("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"210mm\" height=\"297mm\" viewBox=\"0 0 210 297\" font-family=\"sans-serif\" font-size=\"3.4\"><path fill=\"#fff\" d=\"M0 0h210v297H0z\"/>\n");
        let mut y = 20.0;
        let mut line = |page: &mut String, x: f64, step: f64, style: &str, text: &str| {
            y += step;
            let _ = writeln!(page, "<text x=\"{x}\" y=\"{y:.1}\" {style}>{}</text>", escape(text));
        };
        line(&mut page, 15.0, 0.0, BIG, "Recovery sheet of a zvault vault");
        let _ = writeln!(
            page,
            "<g transform=\"translate(140 28)\">{}</g>",
            code.replacen("<svg ", "<svg width=\"55\" height=\"55\" ", 1)
        );
        for (name, value) in self.facts() {
            line(&mut page, 15.0, 6.0, BOLD, name);
            for part in wrapped(&value, 64) {
                line(&mut page, 15.0, 4.6, MONO, &part);
            }
        }
        match words {
            Some(words) => {
                line(&mut page, 15.0, 10.0, BOLD, "The 24 words, to be read line by line");
                let words: Vec<&str> = words.iter().collect();
                for (row, four) in words.chunks(4).enumerate() {
                    line(&mut page, 15.0, 6.5, LARGE, "");
                    for (column, word) in four.iter().enumerate() {
                        let number = row * 4 + column + 1;
                        line(&mut page, 15.0 + 45.0 * column as f64, 0.0, LARGE, &format!("{number:2} {word}"));
                    }
                }
            }
            None => {
                line(&mut page, 15.0, 10.0, BOLD, "The 24 words");
                line(&mut page, 15.0, 5.0, "", "are on another sheet, or to be written here by hand:");
                for row in 0..6 {
                    line(&mut page, 15.0, 7.0, LARGE, "");
                    for column in 0..4 {
                        let text = format!("{:2} ______________", row * 4 + column + 1);
                        line(&mut page, 15.0 + 45.0 * f64::from(column), 0.0, LARGE, &text);
                    }
                }
            }
        }
        for (title, lines) in self.instructions(words.is_some()) {
            line(&mut page, 15.0, 9.0, BOLD, title);
            for text in lines {
                for (number, part) in wrapped(&text, 105).into_iter().enumerate() {
                    line(&mut page, 18.0, 4.6, "", &format!("{}{part}", if number == 0 { "- " } else { "  " }));
                }
            }
        }
        page.push_str("</svg>\n");
        Ok(page)
    }

    /// The same for a terminal, without the words.
    pub fn plain(&self) -> Result<String, SheetError> {
        let mut out = String::from("Recovery sheet of a zvault vault\n\n");
        for (name, value) in self.facts() {
            let _ = writeln!(out, "  {name}\n    {value}");
        }
        for (title, lines) in self.instructions(false) {
            let _ = writeln!(out, "\n{title}");
            for text in lines {
                for (number, part) in wrapped(&text, 90).into_iter().enumerate() {
                    let _ = writeln!(out, "{}{part}", if number == 0 { "  * " } else { "    " });
                }
            }
        }
        Ok(out)
    }

    /// What a person reads, by name.
    fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = vec![
            ("Vault", self.vault.to_string()),
            ("Place", self.url.clone()),
            ("Made on", crate::time_text(self.time)),
            ("Program", crate::PROGRAM.to_owned()),
        ];
        facts.extend(self.heads.iter().map(|head| ("Roster at that time", head.to_string())));
        facts.push(("Text of the QR code", self.text()));
        facts
    }

    fn instructions(&self, words: bool) -> [(&'static str, Vec<String>); 3] {
        let found = if words { "the 24 words on this sheet" } else { "the 24 words that belong to it" };
        let what = vec![
            "A vault holds encrypted snapshots of somebody's files. It lies on the storage named above under Place; nobody who \
             runs that storage can read it."
                .to_owned(),
            format!("Whoever has {found} and can read the storage can read everything in it, on any computer, without anything else."),
        ];
        let how = vec![
            "Get the program zvault for your computer (Linux or macOS) and install it; the format is public, and its name is in \
             the file SPEC.md of the program."
                .to_owned(),
            "Get access to the storage: the disk itself, or for a bucket the credentials of its account. They are not on this \
             sheet."
                .to_owned(),
            format!("In a terminal, run: zvault recovery restore '{}' --sheet 'TEXT OF THE QR CODE'", self.url.replace('\'', "%27")),
            "Type the 24 words when you are asked. The program compares vault and roster with this sheet, and stops if the \
             storage shows another vault or an older state of it."
                .to_owned(),
            "Then list what is there with: zvault snapshots, and get it back with: zvault restore latest --target FOLDER".to_owned(),
        ];
        let keep = vec![
            "Keep it where neither fire nor theft takes it together with the devices. If the place has changed, give the new one \
             instead."
                .to_owned(),
            "If the words may be known to somebody else: zvault recovery new makes new ones, and the old ones open nothing that is \
             pushed from then on."
                .to_owned(),
        ];
        [("What this is", what), ("How to get everything back", how), ("What to do with this sheet", keep)]
    }
}

impl FromStr for Sheet {
    type Err = SheetError;

    fn from_str(text: &str) -> Result<Self, SheetError> {
        let mut parts = text.trim().splitn(5, ':');
        let mut next = || parts.next().ok_or(SheetError::Malformed);
        if next()? != MARK {
            return Err(SheetError::Malformed);
        }
        let vault = next()?.parse().map_err(|_| SheetError::Malformed)?;
        let secs = next()?.parse().map_err(|_| SheetError::Malformed)?;
        let heads: Vec<Identity> = next()?
            .split(',')
            .take(limits::RECORD_PARENTS + 1)
            .map(|head| {
                let mut bytes = [0; 32];
                hex::decode_to_slice(head, &mut bytes).map_err(|_| SheetError::Malformed)?;
                Ok(Identity(bytes))
            })
            .collect::<Result<_, SheetError>>()?;
        if heads.len() > limits::RECORD_PARENTS {
            return Err(SheetError::Malformed);
        }
        Ok(Self { vault, time: Time { secs, nanos: 0 }, heads, url: next()?.to_owned() })
    }
}

/// Why there is no sheet.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SheetError {
    /// Not the text of a sheet's code.
    #[error("this is not the text of a recovery sheet's QR code")]
    Malformed,
    /// The code could not be made.
    #[error(transparent)]
    Qr(#[from] QrError),
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Lines of at most `width` characters, broken between words where there are any.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        let last = lines.last().map_or(0, |line| line.chars().count());
        if last > 0 && last + 1 + word.len() > width {
            lines.push(String::new());
        }
        while word.len() > width {
            let rest = word.split_off(width);
            lines.last_mut().expect("a line").extend(word);
            lines.push(String::new());
            word = rest;
        }
        let line = lines.last_mut().expect("a line");
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(word);
    }
    lines
}

const MARK: &str = "ZVAULT1";
/// Room for the text of a page, so that growing leaves no copies of the words behind.
const PAGE: usize = 64 << 10;
const BIG: &str = "font-size=\"7\" font-weight=\"bold\"";
const BOLD: &str = "font-weight=\"bold\"";
const LARGE: &str = "font-family=\"monospace\" font-size=\"4.2\" xml:space=\"preserve\"";
const MONO: &str = "font-family=\"monospace\" font-size=\"2.9\"";
const HTML_HEAD: &str = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Recovery sheet</title>\n<style>@page{margin:15mm}body{font-family:sans-serif;font-size:11pt;max-width:180mm;margin:auto}dt{font-weight:bold;margin-top:2mm}dd{margin:0;font-family:monospace;font-size:9pt;overflow-wrap:anywhere}.qr{width:55mm;float:right;margin:0 0 4mm 6mm}.words{font-family:monospace;font-size:13pt;columns:4;padding-left:10mm}h2{font-size:12pt;clear:both}</style></head><body>\n";
const HTML_NO_WORDS: &str = "<h2>The 24 words</h2>\n<p>They are on another sheet, or to be written here by hand:</p>\n<ol class=\"words\"><li>______</li><li>______</li><li>______</li><li>______</li><li>______</li><li>______</li><li>______</li><li>______</li><li>______</li><li>______</li><li>______</li><li>______</li><li>______</li><li>______</li><li>______</li><li>______</li><li>______</li><li>______</li><li>______</li><li>______</li><li>______</li><li>______</li><li>______</li><li>______</li></ol>\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crypto_backends::Key;

    fn sheet() -> Sheet {
        Sheet {
            vault: VaultId([7; 32]),
            time: Time { secs: 1_790_000_000, nanos: 0 },
            heads: vec![Identity([1; 32]), Identity([2; 32])],
            url: "s3://bucket/a:b?c=<d>&\"e".into(),
        }
    }

    #[test]
    fn the_text_of_the_code_comes_back() {
        assert_eq!(sheet().text().parse::<Sheet>().expect("a sheet"), sheet());
        assert_eq!(format!(" {}\n", sheet().text()).parse::<Sheet>().expect("a sheet"), sheet());
        let text = sheet().text();
        for cut in [0, 3, 7, 8, 60, 75, 90] {
            assert!(matches!(text[..cut].parse::<Sheet>(), Err(SheetError::Malformed)), "{cut}");
        }
        let many = Sheet { heads: vec![Identity([1; 32]); 17], ..sheet() };
        assert!(many.text().parse::<Sheet>().is_err());
    }

    #[test]
    fn pages_have_everything_and_ask_for_nothing() {
        let words = Words::from_entropy(&Key::new([0x7f; 32])).expect("a backend");
        for page in [sheet().html(Some(&words)).expect("a page"), sheet().svg(Some(&words)).expect("a page")] {
            assert!(words.iter().all(|word| page.contains(word)));
            assert!(page.contains(&sheet().vault.to_string()) && page.contains("&lt;d&gt;&amp;&quot;e"));
            assert!(!page.contains("<d>") && page.contains("zvault recovery restore"));
            // Nothing is fetched: the only addresses are the name of the drawing's format and the vault's own.
            let addresses: Vec<_> = page.match_indices("://").map(|(at, _)| &page[at - 4..at]).collect();
            assert!(addresses.iter().all(|scheme| scheme.ends_with("http") || scheme.ends_with("s3")), "{addresses:?}");
            assert_eq!(page.matches("http").count(), page.matches("http://www.w3.org/2000/svg").count());
            assert!(!page.contains("href") && !page.contains("src=") && !page.contains("<script"));
        }
        let without = sheet().html(None).expect("a page");
        assert_eq!(without.matches("______").count(), 24);
        assert!(sheet().svg(None).expect("a page").contains("24 ______________"));
        assert!(sheet().plain().expect("a text").contains(&sheet().text()));
    }

    #[test]
    fn a_drawing_fits_on_its_page() {
        let words = Words::from_entropy(&Key::new([0x7f; 32])).expect("a backend");
        let long = Sheet { url: format!("s3://{}", "b".repeat(150)), heads: vec![Identity([1; 32])], ..sheet() };
        for page in [long.svg(Some(&words)).expect("a page"), long.svg(None).expect("a page")] {
            let lowest = page.split(" y=\"").skip(1).filter_map(|part| part.split('"').next()?.parse::<f64>().ok());
            assert!(lowest.fold(0.0, f64::max) < 290.0);
        }
    }

    #[test]
    fn lines_are_broken() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrapped("", 5), [""]);
    }
}
