//! The values of keys: what each may be, and what to say when it is something else.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Expr, ExprLit, Lit, LitInt, UnOp};

/// What a key takes. A literal is checked here; any other expression passes through, for the compiler to type.
#[derive(Clone, Copy)]
pub(crate) enum Takes {
    /// A `usize` of at least one.
    Count,
    /// A `u64`.
    Number,
    /// A `bool`.
    Switch,
    /// A literal such as `"1.5s"`, and nothing else, so that a slip is found at compile time.
    Duration,
}

/// A value as the expansion passes it on.
pub(crate) struct Value {
    pub(crate) tokens: TokenStream,
    /// What the method that takes it has after the name of the key.
    pub(crate) suffix: &'static str,
}

/// What is wrong with a value.
pub(crate) struct Fault {
    /// What the compiler underlines.
    pub(crate) place: TokenStream,
    kind: Kind,
}

enum Kind {
    Mistyped { takes: &'static str, found: &'static str },
    Suffix { takes: &'static str, suffix: String },
    TooLarge { takes: &'static str },
    Zero,
    NoDuration(&'static str),
}

impl Takes {
    pub(crate) fn check(self, value: Expr) -> Result<Value, Fault> {
        let literal = Literal::of(&value);
        let problem = match (self, &literal) {
            (Self::Duration, Literal::Lit(Lit::Str(text))) => match milliseconds(&text.value()) {
                Ok(number) => {
                    return Ok(Value { tokens: number.into_token_stream(), suffix: "_ms" });
                }
                Err(why) => Some(Kind::NoDuration(why)),
            },
            (Self::Count | Self::Number, Literal::Lit(Lit::Int(number))) => {
                self.check_number(number)
            }
            (Self::Switch, Literal::Lit(Lit::Bool(_)))
            | (Self::Count | Self::Number | Self::Switch, Literal::None) => None,
            _ => Some(Kind::Mistyped { takes: self.description(), found: literal.description() }),
        };
        let tokens = value.into_token_stream();
        match problem {
            None => Ok(Value { tokens, suffix: "" }),
            Some(kind) => Err(Fault { place: tokens, kind }),
        }
    }

    fn check_number(self, number: &LitInt) -> Option<Kind> {
        let takes = self.description();
        let suffix = number.suffix();
        if !suffix.is_empty() && !takes.contains(suffix) {
            return Some(Kind::Suffix { takes, suffix: suffix.to_owned() });
        }
        match number.base10_parse::<u64>() {
            Err(_) => Some(Kind::TooLarge { takes }),
            Ok(0) if matches!(self, Self::Count) => Some(Kind::Zero),
            Ok(_) => None,
        }
    }

    fn description(self) -> &'static str {
        match self {
            Self::Count => "a `usize`",
            Self::Number => "a `u64`",
            Self::Switch => "`true` or `false`",
            Self::Duration => "a duration in quotes",
        }
    }
}

impl Fault {
    /// What to tell whoever gave this value to the key called `name`.
    pub(crate) fn message(&self, name: &str, example: &str) -> String {
        match &self.kind {
            Kind::Mistyped { takes, found } => {
                format!("`{name}` takes {takes}, not {found}: `{name} = {example}`")
            }
            Kind::Suffix { takes, suffix } => {
                format!("`{name}` takes {takes}: remove the suffix `{suffix}`")
            }
            Kind::TooLarge { takes } => {
                format!(
                    "`{name}` takes {takes}, which this number does not fit: give a smaller one"
                )
            }
            Kind::Zero => format!(
                "`{name}` must be at least 1: give more, or leave the key out for the default"
            ),
            Kind::NoDuration(why) => {
                format!("`{name}` {why}: write it like \"5s\", \"1.5s\", \"500ms\" or \"2m\"")
            }
        }
    }
}

/// An expression as the checks see it.
enum Literal<'a> {
    /// Not a literal.
    None,
    /// A number with a minus before it, which is no literal by itself.
    Negative,
    Lit(&'a Lit),
}

impl<'a> Literal<'a> {
    fn of(value: &'a Expr) -> Self {
        match value {
            Expr::Lit(ExprLit { lit, .. }) => Self::Lit(lit),
            Expr::Unary(unary)
                if matches!((unary.op, &*unary.expr), (UnOp::Neg(_), Expr::Lit(_))) =>
            {
                Self::Negative
            }
            // `macro_rules!` wraps what it substitutes for `$value:expr`.
            Expr::Group(group) => Self::of(&group.expr),
            _ => Self::None,
        }
    }

    fn description(&self) -> &'static str {
        let literal = match self {
            Self::None => return "an expression",
            Self::Negative => return "a negative number",
            Self::Lit(literal) => literal,
        };
        match literal {
            Lit::Str(_) | Lit::CStr(_) => "a string",
            Lit::ByteStr(_) => "a byte string",
            Lit::Byte(_) => "a byte",
            Lit::Char(_) => "a character",
            Lit::Int(_) => "a number",
            Lit::Float(_) => "a number with a fraction",
            Lit::Bool(_) => "a `bool`",
            _ => "this literal",
        }
    }
}

/// Reads `"5s"`, `"1.5s"`, `"500ms"`, `"2m"`. The error says what the text does wrong, or what it is not.
fn milliseconds(text: &str) -> Result<u64, &'static str> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "" if !number.is_empty() => return Err("needs a unit"),
        _ => return Err("is not a duration"),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let part = parse(fraction)? * unit;
    let scale = (0..fraction.len()).fold(1_u64, |scale, _| scale * 10);
    if !part.is_multiple_of(scale) {
        return Err("is not a whole number of milliseconds");
    }
    match parse(whole)? * unit + part / scale {
        0 => Err("must be more than zero"),
        total => Ok(total),
    }
}

/// Reads at most twelve digits, which no unit makes overflow: they are thirty years in milliseconds.
fn parse(digits: &str) -> Result<u64, &'static str> {
    match digits.len() {
        13.. => Err("has too many digits"),
        _ => digits.parse().map_err(|_| "is not a duration"),
    }
}

#[cfg(test)]
mod tests {
    use super::milliseconds;

    #[test]
    fn durations() {
        for (text, expected) in [
            ("5s", 5_000),
            ("500ms", 500),
            ("2m", 120_000),
            ("1.5s", 1_500),
            ("0.5m", 30_000),
            ("0.001s", 1),
            ("1.000s", 1_000),
            ("1.000000000000s", 1_000),
            ("999999999999m", 59_999_999_999_940_000),
        ] {
            assert_eq!(milliseconds(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration() {
        for text in ["", "s", "five", "5 s", "-5s", "5h", "5s ", "1.s", ".5s", "1.2.3s", ".", ".s"]
        {
            assert!(milliseconds(text).is_err(), "{text}");
        }
        assert_eq!(milliseconds("5"), Err("needs a unit"));
        assert_eq!(milliseconds("0s"), Err("must be more than zero"));
        assert_eq!(milliseconds("0.5ms"), Err("is not a whole number of milliseconds"));
        assert_eq!(milliseconds("1.0005s"), Err("is not a whole number of milliseconds"));
        assert_eq!(milliseconds("1234567890123s"), Err("has too many digits"));
        assert_eq!(milliseconds("0.0000000000001s"), Err("has too many digits"));
    }
}
