//! The reasons that customers gave for leaving: with a cancellation, or in an exit survey.

use crate::calendar::Day;
use crate::engine::plan::Needs;
use crate::timeline::rows::AnswerKind;
use crate::timeline::subscription_periods::Subscription;
use crate::timeline::view::View;

/// What has to be read of a customer to know the reasons.
pub(super) const NEEDS: Needs = Needs { surveys: true, reasons: true, ..Needs::NONE };

/// The ranks of all known reasons of a customer, with repetitions.
pub(super) fn reasons(view: &View<'_>) -> Vec<u32> {
    let said = view.answers().iter().filter(|a| a.kind == AnswerKind::Exit).map(|a| a.reason);
    let terms = view.subscriptions().iter().filter(|t| is_known(view, t)).map(|t| t.reason);
    terms.chain(said).map(|code| view.reason(code)).collect()
}

/// True if the reason of a subscription row is known: it is from the day of the cancellation on.
pub(super) fn is_known(view: &View<'_>, term: &Subscription) -> bool {
    term.started < view.until() && (term.cancelled == Day::NEVER || term.cancelled < view.until())
}
