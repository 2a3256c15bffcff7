"""Which way a metric is searched, as its name says: losses and errors down, scores up.

A name is read as words (`val_mean_squared_error_1` is val, mean, squared, error), in this order:

1. `neg_` and `negative_` turn around what follows (scikit-learn's `neg_mean_squared_error`);
2. names that mislead by their words, or are a word of no side, stand in a table;
3. the last word that has a side decides: `accuracy_loss` is a loss, `loss_accuracy` an accuracy;
4. a `score` is maximised where no other word has a side (`brier_score` has).

A name that says neither is refused, since a wrong guess would search for the worst. So are `dice`
and `tversky`: Keras' losses of these names fall as a model gets better, the coefficients rise.
"""

from __future__ import annotations

import re

from tuner.errors import ExperimentError

MINIMIZE, MAXIMIZE = "minimize", "maximize"
AUTO = "auto"
DIRECTIONS = (AUTO, MINIMIZE, MAXIMIZE)

PARTS = ("val", "test", "train", "training", "validation")
"""First words that say of which data a metric is."""

LOWER = """
    loss losses error errors err mse mae rmse mape smape msle rmsle mre mdae nll bce cce nmse nrmse
    logloss crossentropy xent entropy perplexity ppl deviance divergence kld kl poisson hinge huber
    logcosh ctc circle brier ece regret cost penalty wer cer fid lpips hamming misclassification
    impurity
"""
HIGHER = """
    accuracy acc auc auroc roc prauc ap map precision recall sensitivity specificity f1 f2 fbeta
    f1score r2 r2score iou miou jaccard similarity kappa mcc matthews correlation pearson spearman
    concordance bleu rouge meteor psnr ssim ndcg mrr reward likelihood elbo gini lift
"""
_SIDES = {
    **dict.fromkeys(LOWER.split(), MINIMIZE),
    **dict.fromkeys(HIGHER.split(), MAXIMIZE),
}
_NAMES = {
    "log_loss": MINIMIZE,
    "log_cosh": MINIMIZE,
    "cross_entropy": MINIMIZE,
    "false_positives": MINIMIZE,
    "false_negatives": MINIMIZE,
    "false_positive_rate": MINIMIZE,
    "false_negative_rate": MINIMIZE,
    "fpr": MINIMIZE,
    "fnr": MINIMIZE,
    "true_positives": MAXIMIZE,
    "true_negatives": MAXIMIZE,
    "true_positive_rate": MAXIMIZE,
    "true_negative_rate": MAXIMIZE,
    "tpr": MAXIMIZE,
    "tnr": MAXIMIZE,
    "explained_variance": MAXIMIZE,
    "io_u": MAXIMIZE,
    "f_score": MAXIMIZE,
    "f_beta_score": MAXIMIZE,
    "f_beta": MAXIMIZE,
    "average_precision": MAXIMIZE,
    "davies_bouldin_score": MINIMIZE,
    **{f"d2_{of}_score": MAXIMIZE for of in ("absolute_error", "log_loss", "brier")},
}


def direction_of(metric: str) -> str:
    """`minimize` or `maximize`, as the metric's name says.

    Raises ExperimentError for a name that says neither.
    """
    words = [w for w in re.split(r"[^a-z0-9]+", _snake(metric)) if w and not w.isdigit()]
    if words and words[0] in PARTS:
        words = words[1:]
    negated = bool(words) and words[0] in ("neg", "negative")
    found = _direction(words[1:] if negated else words)
    if found is None:
        raise ExperimentError(
            f"metric {metric!r} does not say which way is better",
            field="direction",
            way_out="give direction='minimize' or direction='maximize'",
        )
    if negated:
        return MINIMIZE if found == MAXIMIZE else MAXIMIZE
    return found


def _direction(words: list[str]) -> str | None:
    joined = "_".join(words)
    for name, direction in _NAMES.items():
        if joined == name or joined.endswith(f"_{name}"):
            return direction
    for word in reversed(words):
        if word in _SIDES:
            return _SIDES[word]
    return MAXIMIZE if "score" in words else None


def _snake(name: str) -> str:
    """CamelCase as words: `RootMeanSquaredError`, `valLoss`; `RMSE` stays one."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", "_", name).lower()
