//! Tells the operations that the runtime waits for itself from everything else, by how they are written.

use super::NAME;
use super::pattern::is_variable;
use crate::call::{Operands, is_constant};
use crate::error::Faults;
use crate::input::{Remedies, peeled};
use proc_macro2::Ident;
use quote::ToTokens;
use syn::{Expr, ExprCall, ExprMethodCall, UnOp};

/// An operation, with what must be evaluated before it moved out to the operands.
pub(super) enum Operation {
    /// `rx.recv()`, `listener.accept()`, `flag.wait()`: the runtime's own if the type of `on` is.
    Plain {
        method: Ident,
        on: Expr,
        call: Expr,
    },
    /// `tx.send(value)`.
    Send {
        on: Expr,
        value: Expr,
        call: Expr,
        /// The variable whose value was to be sent, and which has it again where it was not.
        variable: Option<Ident>,
    },
    /// `handle.join()`.
    Join {
        on: Expr,
    },
    /// `sleep(duration)`: the runtime's own if the function is.
    Sleep {
        function: Expr,
        duration: Expr,
        call: Expr,
    },
    Child(Expr),
}

impl Operation {
    pub(super) fn new(operation: Expr, operands: &mut Operands, faults: &mut Faults) -> Self {
        check(&operation, faults);
        match peeled(&operation) {
            Expr::MethodCall(call) if call.turbofish.is_none() && call.attrs.is_empty() => {
                let method = call.method.to_string();
                match (method.as_str(), call.args.len()) {
                    ("recv" | "accept" | "wait", 0) => Self::plain(call.clone(), operands),
                    ("send", 1) => Self::send(call.clone(), operands),
                    ("join", 0) => {
                        let mut on = (*call.receiver).clone();
                        hoist(&mut on, operands);
                        Self::Join { on }
                    }
                    _ => Self::Child(operation),
                }
            }
            Expr::Call(call) if is_sleep(call) => Self::sleep(call.clone(), operands),
            _ => Self::Child(operation),
        }
    }

    fn plain(mut call: ExprMethodCall, operands: &mut Operands) -> Self {
        hoist(&mut call.receiver, operands);
        Self::Plain {
            method: call.method.clone(),
            on: (*call.receiver).clone(),
            call: Expr::MethodCall(call),
        }
    }

    fn send(mut call: ExprMethodCall, operands: &mut Operands) -> Self {
        hoist(&mut call.receiver, operands);
        let variable = variable(&call.args[0]);
        operands.take(&mut call.args[0]);
        Self::Send {
            on: (*call.receiver).clone(),
            value: call.args[0].clone(),
            call: Expr::MethodCall(call),
            variable,
        }
    }

    fn sleep(mut call: ExprCall, operands: &mut Operands) -> Self {
        // One variable for both ways to use it: so the type of a generic function is inferred once.
        operands.take_callee(&mut call.func);
        operands.take(&mut call.args[0]);
        Self::Sleep {
            function: (*call.func).clone(),
            duration: call.args[0].clone(),
            call: Expr::Call(call),
        }
    }
}

/// Leaves a place where it is, and makes one of anything else, or of what it begins with.
fn hoist(expr: &mut Expr, operands: &mut Operands) {
    if !is_place(expr) {
        operands.take(expr);
        return;
    }
    match expr {
        Expr::Field(field) => hoist(&mut field.base, operands),
        Expr::Group(group) => hoist(&mut group.expr, operands),
        Expr::Index(index) => {
            hoist(&mut index.expr, operands);
            // It stands in several places of the expansion, and must not be evaluated in each.
            if !is_constant(&index.index) && !matches!(peeled(&index.index), Expr::Path(_)) {
                operands.take(&mut index.index);
            }
        }
        Expr::Paren(paren) => hoist(&mut paren.expr, operands),
        Expr::Unary(unary) => hoist(&mut unary.expr, operands),
        _ => {}
    }
}

fn is_place(expr: &Expr) -> bool {
    match peeled(expr) {
        Expr::Path(_) | Expr::Field(_) | Expr::Index(_) => true,
        Expr::Unary(unary) => matches!(unary.op, UnOp::Deref(_)),
        _ => false,
    }
}

/// The variable that an expression consists of.
fn variable(expr: &Expr) -> Option<Ident> {
    match peeled(expr) {
        Expr::Path(path) if path.attrs.is_empty() && path.qself.is_none() => {
            path.path.get_ident().filter(|ident| is_variable(ident)).cloned()
        }
        _ => None,
    }
}

fn is_sleep(call: &ExprCall) -> bool {
    let Expr::Path(function) = peeled(&call.func) else { return false };
    let last = function.path.segments.last();
    call.args.len() == 1 && last.is_some_and(|segment| segment.ident == "sleep")
}

const REMEDIES: Remedies = Remedies {
    name: NAME,
    future: "result = { mco::block_on(..) } => ..",
    question_mark: "apply it in the body, `result = operation => result?`",
    leaving: "do so in the body",
    closure: "write what it does as a block, `result = { .. } => ..`",
};

/// Finds what cannot be waited for.
fn check(operation: &Expr, faults: &mut Faults) {
    REMEDIES.check(operation, faults);
    if let other @ (Expr::Path(_) | Expr::Field(_) | Expr::Lit(_)) = peeled(operation) {
        let name = other.to_token_stream();
        let message = format!(
            "there is nothing to wait for in `{name}`: write an operation, such as `receiver.recv()`"
        );
        faults.add(other, message);
    }
}
