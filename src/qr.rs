//! QR codes: for a terminal, a page, a picture. The text is for machines; whoever shows a code shows its text as well.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};
use thiserror::Error;

/// A code of half blocks, two rows in one line: dark on light whatever the colours of the terminal are, as readers want it.
pub fn terminal(text: &str) -> Result<String, QrError> {
    let code = Modules::of(text)?;
    let mut out = String::new();
    for y in (0..code.width()).step_by(2) {
        out.push_str(WHITE_ON_BLACK);
        for x in 0..code.width() {
            // A light module is a block in the foreground's white.
            out.push(match (code.is_dark(x, y), code.is_dark(x, y + 1)) {
                (false, false) => '\u{2588}',
                (false, true) => '\u{2580}',
                (true, false) => '\u{2584}',
                (true, true) => ' ',
            });
        }
        out.push_str(RESET);
        out.push('\n');
    }
    Ok(out)
}

/// How wide a terminal has to be for a code that [`terminal`] made.
pub fn columns(code: &str) -> usize {
    let row = code.lines().next().unwrap_or_default();
    row.chars().count().saturating_sub(WHITE_ON_BLACK.len() + RESET.len())
}

/// A picture without any reference to the outside; it takes the size of what holds it.
pub fn svg(text: &str) -> Result<String, QrError> {
    let code = Modules::of(text)?;
    let width = code.width();
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {width}\" shape-rendering=\"crispEdges\"><path fill=\"#fff\" d=\"M0 0h{width}v{width}H0z\"/><path d=\""
    );
    for y in 0..width {
        for x in (0..width).filter(|x| code.is_dark(*x, y)) {
            let _ = write!(out, "M{x} {y}h1v1h-1z");
        }
    }
    out.push_str("\"/></svg>");
    Ok(out)
}

/// A picture in black and white, eight pixels for each module.
pub fn png(text: &str) -> Result<Vec<u8>, QrError> {
    let code = Modules::of(text)?;
    let side = code.width() * PIXELS;
    let row_len = side.div_ceil(8);
    let mut rows = Vec::with_capacity(row_len * side);
    for y in 0..code.width() {
        // Eight pixels are a byte: a module is one.
        let row: Vec<u8> = (0..code.width()).map(|x| if code.is_dark(x, y) { 0 } else { 0xff }).collect();
        rows.extend(std::iter::repeat_n(row, PIXELS).flatten());
    }
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, side as u32, side as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(&rows)?;
        writer.finish()
    });
    written.map_err(|error| QrError::Picture(error.to_string()))?;
    Ok(out)
}

/// Why there is no code.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum QrError {
    /// More than a code holds.
    #[error("{len} bytes are more than a QR code holds")]
    TooLong {
        /// Bytes of the text.
        len: usize,
    },
    /// The picture could not be made.
    #[error("cannot make a picture: {0}")]
    Picture(String),
}

/// The modules of a code with the quiet zone around it.
struct Modules {
    width: usize,
    dark: Vec<bool>,
}

impl Modules {
    fn of(text: &str) -> Result<Self, QrError> {
        // A fifteenth of a sheet of paper may be dirt.
        let code =
            QrCode::with_error_correction_level(text, EcLevel::M).map_err(|_| QrError::TooLong { len: text.len() })?;
        let dark = code.to_colors().into_iter().map(|color| color == Color::Dark).collect();
        Ok(Self { width: code.width(), dark })
    }

    fn width(&self) -> usize {
        self.width + 2 * QUIET
    }

    fn is_dark(&self, x: usize, y: usize) -> bool {
        let inside = |at: usize| at.checked_sub(QUIET).filter(|at| *at < self.width);
        match (inside(x), inside(y)) {
            (Some(x), Some(y)) => self.dark[y * self.width + x],
            _ => false,
        }
    }
}

/// Light modules around a code, which readers need.
const QUIET: usize = 4;
/// A multiple of eight.
const PIXELS: usize = 8;
const WHITE_ON_BLACK: &str = "\x1b[97;40m";
const RESET: &str = "\x1b[0m";

#[cfg(test)]
mod tests {
    use super::*;

    /// What a reader makes of an image.
    fn read(width: usize, is_dark: impl Fn(usize, usize) -> bool) -> String {
        let value = |x, y| if is_dark(x, y) { 0 } else { 255 };
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, width, value);
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1, "one code");
        grids[0].decode().expect("it is readable").1
    }

    fn texts() -> [String; 4] {
        ["a".into(), "zvault \u{e4}".into(), "ZVAULT1:00ff:".repeat(30), "x".repeat(2_000)]
    }

    #[test]
    fn terminals_show_what_can_be_read() {
        for text in texts() {
            let shown = terminal(&text).expect("a code");
            let lines: Vec<Vec<char>> = shown
                .lines()
                .map(|line| {
                    line.strip_prefix(WHITE_ON_BLACK).and_then(|line| line.strip_suffix(RESET)).expect("colours")
                })
                .map(|line| line.chars().collect())
                .collect();
            let width = lines[0].len();
            assert_eq!(columns(&shown), width);
            let is_dark = |x: usize, y: usize| match lines[y / 2][x] {
                ' ' => true,
                '\u{2580}' => !y.is_multiple_of(2),
                '\u{2584}' => y.is_multiple_of(2),
                _ => false,
            };
            assert_eq!(read(4 * width, |x, y| is_dark(x / 4, y / 4)), text);
        }
    }

    #[test]
    fn pictures_can_be_read() {
        for text in texts() {
            let bytes = png(&text).expect("a picture");
            let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().expect("a picture");
            let mut rows = vec![0; reader.output_buffer_size().expect("a size")];
            let info = reader.next_frame(&mut rows).expect("its rows");
            let row = info.line_size;
            assert_eq!(read(info.width as usize, |x, y| rows[y * row + x / 8] >> (7 - x % 8) & 1 == 0), text);
        }
    }

    #[test]
    fn drawings_stand_alone() {
        let drawn = svg("text").expect("a drawing");
        assert!(drawn.starts_with("<svg ") && drawn.ends_with("</svg>"));
        assert_eq!(drawn.matches("http").count(), 1, "the name of the format and no other address");
        // As a reader sees it.
        let squares: std::collections::HashSet<(usize, usize)> = drawn
            .split('M')
            .skip(2)
            .filter_map(|part| part.split_once("h1v1h-1z")?.0.split_once(' '))
            .map(|(x, y)| (x.parse().expect("a number"), y.parse().expect("a number")))
            .collect();
        let width = Modules::of("text").expect("a code").width();
        assert_eq!(read(4 * width, |x, y| squares.contains(&(x / 4, y / 4))), "text");
    }

    #[test]
    fn too_long() {
        assert!(matches!(svg(&"x".repeat(3_000)), Err(QrError::TooLong { len: 3_000 })));
    }
}
