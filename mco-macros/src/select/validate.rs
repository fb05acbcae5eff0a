//! Sorts the branches: arms whose operations are written alike share one.

use super::NAME;
use super::operation::Operation;
use super::parse::{ARM, Arm, Branch, Input};
use super::pattern::{Pattern, mentions, take_everything};
use crate::call::Operands;
use crate::error::{Faults, duplicate};
use crate::krate::Krate;
use proc_macro2::{Ident, Span};
use quote::ToTokens;
use std::collections::HashMap;
use syn::Expr;

/// As many as the runtime shuffles in one word.
const MAX: usize = 64;

/// A valid `select!`.
pub(super) struct Select {
    pub(super) krate: Krate,
    pub(super) biased: bool,
    /// What is evaluated before the operations begin.
    pub(super) operands: Operands,
    pub(super) waits: Vec<Wait>,
    pub(super) default: Option<Ending>,
    pub(super) otherwise: Option<Ending>,
}

/// An operation and the arms that share it.
pub(super) struct Wait {
    pub(super) operation: Operation,
    /// Where it is written.
    pub(super) source: Expr,
    pub(super) arms: Vec<Choice>,
}

/// A pattern and what to do when it takes the result.
pub(super) struct Choice {
    pub(super) pattern: Pattern,
    /// With its position among the guards: they are evaluated in the order in which they are written.
    pub(super) guard: Option<(usize, Expr)>,
    pub(super) ending: Ending,
}

pub(super) struct Ending {
    pub(super) body: Expr,
    /// The variables of other arms' sends that the body mentions, and the positions of those sends.
    pub(super) backs: Vec<(Ident, usize)>,
}

impl Select {
    pub(super) fn new(
        Input { krate, biased, branches, is_partial }: Input,
        faults: &mut Faults,
    ) -> Self {
        krate.check(|path| format!("{NAME}! {{ crate = {path}; .. }}"), faults);
        let mut select = Self {
            krate,
            biased,
            operands: Operands::default(),
            waits: Vec::new(),
            default: None,
            otherwise: None,
        };
        let mut positions = HashMap::new();
        for branch in branches {
            match branch {
                Branch::Arm(arm) => select.add(*arm, &mut positions, faults),
                Branch::Default(span, body) => {
                    if select.otherwise.is_some() {
                        faults.push(exclusive(span));
                    }
                    set(&mut select.default, "`default`", span, body, faults);
                }
                Branch::Else(span, body) => {
                    if select.default.is_some() {
                        faults.push(exclusive(span));
                    }
                    set(&mut select.otherwise, "`else`", span, body, faults);
                }
            }
        }
        if select.waits.is_empty() && !is_partial {
            let message = format!("`{NAME}!` needs something to wait for: {ARM}");
            faults.push(syn::Error::new(Span::call_site(), message));
        }
        if let Some(wait) = select.waits.get(MAX) {
            let message = format!("`{NAME}!` waits for at most {MAX} operations at once");
            faults.add(&wait.source, message);
        }
        select.give_back();
        select
    }

    fn add(&mut self, arm: Arm, positions: &mut HashMap<String, usize>, faults: &mut Faults) {
        let Arm { pattern, operation, guard, body } = arm;
        let position =
            *positions.entry(operation.to_token_stream().to_string()).or_insert_with(|| {
                let source = operation.clone();
                let operation = Operation::new(operation, &mut self.operands, faults);
                self.waits.push(Wait { operation, source, arms: Vec::new() });
                self.waits.len() - 1
            });
        let pattern = Pattern::new(pattern, faults);
        let guard = guard.map(|guard| {
            let guards = self.waits.iter().flat_map(|wait| &wait.arms);
            (guards.filter(|arm| arm.guard.is_some()).count(), guard)
        });
        let ending = Ending { body, backs: Vec::new() };
        self.waits[position].arms.push(Choice { pattern, guard, ending });
    }

    /// Finds out which bodies see again what was not sent.
    fn give_back(&mut self) {
        let sent: Vec<(Ident, usize)> = self
            .waits
            .iter()
            .enumerate()
            .filter_map(|(position, wait)| Some((wait.gives_back()?.clone(), position)))
            .collect();
        for (position, wait) in self.waits.iter_mut().enumerate() {
            for arm in &mut wait.arms {
                let pattern = &arm.pattern;
                arm.ending.find(&sent, |ident, other| other != position && !pattern.binds(ident));
            }
        }
        for ending in self.default.iter_mut().chain(&mut self.otherwise) {
            ending.find(&sent, |_, _| true);
        }
    }
}

impl Wait {
    /// The variable whose value is there again in the bodies of other arms. If the patterns may refuse the result of
    /// the send, then it may have been sent in these, too: there the variable stays moved.
    fn gives_back(&self) -> Option<&Ident> {
        let Operation::Send { variable: Some(variable), .. } = &self.operation else { return None };
        let is_only = self.arms.len() == 1;
        let certain = self.arms.iter().filter(|arm| is_only || arm.guard.is_none());
        let patterns = certain.map(|arm| &arm.pattern.pat);
        take_everything(patterns).then_some(variable)
    }
}

impl Ending {
    fn find(&mut self, sent: &[(Ident, usize)], may: impl Fn(&Ident, usize) -> bool) {
        for (ident, position) in sent {
            let is_new = self.backs.iter().all(|(other, _)| other != ident);
            if is_new && may(ident, *position) && mentions(&self.body, ident) {
                self.backs.push((ident.clone(), *position));
            }
        }
    }
}

fn set(slot: &mut Option<Ending>, name: &str, span: Span, body: Expr, faults: &mut Faults) {
    if slot.is_some() {
        faults.push(syn::Error::new(span, duplicate(name)));
    } else {
        *slot = Some(Ending { body, backs: Vec::new() });
    }
}

fn exclusive(span: Span) -> syn::Error {
    let message = "with `default` nothing waits, and `else` is for when there is nothing left to wait for: keep one of the two";
    syn::Error::new(span, message)
}
