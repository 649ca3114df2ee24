//! What a kind of stage cannot do without: a stage that would have nothing to say is refused with the remedy.

use super::diagnostics::{Diagnostic, Diagnostics, Parsed};
use super::layout::Span;
use super::stages::Context;
use super::{Basis, SourceKind};

/// One line a kind: the table would repeat what another says, or be empty.
pub(super) fn wants(diagnostics: &Diagnostics, kind: &str, span: &Span, context: &Context<'_>) -> Parsed<()> {
    // What was meant cannot be told from sources that are not sound.
    let Ok(sources) = context.sources.as_ref() else { return Ok(()) };
    let maps = |source: SourceKind, column: &str| match sources.get(&source) {
        Some(Ok(mapped)) => mapped.columns.contains_key(column),
        Some(Err(_)) => true,
        None => false,
    };
    // Rows of subscriptions say nothing of customers who are live by what they buy.
    let subscribes = context.basis.as_ref().map_or(true, |basis| *basis == Basis::Subscriptions);
    let (enough, what, help) = match kind {
        "acquisition" => (
            maps(SourceKind::Customers, "acquired_by")
                || maps(SourceKind::Customers, "referred_by")
                || sources.contains_key(&SourceKind::AcquisitionCosts)
                || subscribes && maps(SourceKind::Subscriptions, "trial_ends_at"),
            "knows neither channels nor costs nor trials, and could only repeat churn's new customers",
            "map acquired_by or referred_by of source `customers`, add source `acquisition_costs`, or, on basis \
             subscriptions, map trial_ends_at",
        ),
        "exit_reasons" => (
            subscribes
                && (maps(SourceKind::Subscriptions, "cancel_reason") || maps(SourceKind::Subscriptions, "cancel_kind"))
                || maps(SourceKind::Surveys, "reason"),
            "knows no reason of anybody who left",
            "map cancel_reason or cancel_kind of source `subscriptions`, or reason of source `surveys` with its exit surveys",
        ),
        "reconcile" => (
            subscribes,
            "compares vendors' policies of subscription churn, and the basis is transactions",
            "remove the stage: what silence is churn is said by churn_after",
        ),
        "rfm" => (
            sources.contains_key(&SourceKind::Transactions),
            "ranks customers by what they bought, and there are no purchases",
            "map source `transactions`, or remove the stage",
        ),
        "voice" | "voice_outcome" => (
            maps(SourceKind::Surveys, "score"),
            "knows no score that anybody gave",
            "map score of source `surveys`, or remove the stage",
        ),
        _ => return Ok(()),
    };
    if enough {
        return Ok(());
    }
    let problem = Diagnostic::new(format!("a stage of kind `{kind}` {what}")).at(span.clone()).help(help).remote();
    Err(diagnostics.add(problem))
}
