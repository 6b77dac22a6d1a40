"""Scores that are no mean over rows: what each row adds, against resampling and the literature."""

import numpy as np
import pytest
import sklearn.metrics
import torch

from advisor.training.metrics import METRICS, Metric, has_row_scores, in_units, row_scores
from advisor.training.row_influence import blocks_of


def answers(name, rows=400):
    """Outputs and targets of a model that is neither right nor wrong."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(rows, 4, generator=generator)
    if name in ("rmse", "r2", "mae"):
        target = torch.randn(rows, generator=generator)
        return target * 0.8 + 0.5 * noise[:, 0], target
    classes = 2 if name == "f1" else 4
    target = torch.randint(0, classes, (rows,), generator=generator)
    return noise[:, :classes] + 2 * torch.nn.functional.one_hot(target, classes), target


@pytest.mark.parametrize("name", METRICS)
def test_the_mean_is_the_score_and_the_spread_that_of_a_bootstrap(name):
    metric, (output, target) = METRICS[name], answers(name)
    added = row_scores(metric, output, target, blocks_of(len(target)))
    assert added.shape == (400,)
    assert float(added.mean()) == pytest.approx(metric.score(output, target), rel=1e-6)

    generator = np.random.default_rng(1)
    resampled = []
    for _ in range(250):
        index = torch.from_numpy(generator.integers(0, 400, 400))
        resampled.append(metric.score(output[index], target[index]))
    assert float(added.std()) / 20 == pytest.approx(np.std(resampled), rel=0.15)


@pytest.mark.parametrize("name", [name for name in METRICS if name != "accuracy"])
def test_leaving_out_a_row_does_what_its_influence_says(name):
    metric, (output, target) = METRICS[name], answers(name, 150)
    blocks = torch.arange(150)
    known = row_scores(metric, output, target, blocks)
    unknown = Metric(name, metric.score)
    assert not has_row_scores(unknown)
    left_out = row_scores(unknown, output, target, blocks)
    assert float(left_out.mean()) == pytest.approx(float(known.mean()))
    assert np.corrcoef(known, left_out)[0, 1] > 0.99
    assert float(left_out.std()) == pytest.approx(float(known.std()), rel=0.05)


def test_the_area_under_the_curve_has_the_variance_of_delong():
    generator = np.random.default_rng(1)
    truth = generator.random(120) < 0.3
    scores = np.round(generator.normal(0, 1, 120) + truth, 1)

    # DeLong, DeLong & Clarke-Pearson (1988), equations 5 and 6, pair by pair; ties count half.
    beats = np.sign(scores[truth][:, None] - scores[~truth][None]) / 2 + 0.5
    variance = beats.mean(1).var(ddof=1) / truth.sum() + beats.mean(0).var(ddof=1) / (~truth).sum()
    output, target = torch.from_numpy(scores), torch.from_numpy(truth).long()
    added = row_scores(METRICS["auc"], output, target, blocks_of(120))
    assert float(added.mean()) == pytest.approx(beats.mean())
    # They divide by the number of each class less one.
    assert float(added.var(correction=0)) / 120 == pytest.approx(variance, rel=0.04)


def test_labels_count_where_the_score_counts_them():
    generator = torch.Generator().manual_seed(0)
    target = (torch.rand(60, 3, generator=generator) < 0.4).float()
    target[:, 2] = 0
    output = (torch.rand(60, 3, generator=generator) + target) / 2
    output[:, 2] = 0
    for name in ("macro_f1", "auc"):
        added = row_scores(METRICS[name], output, target, blocks_of(60))
        assert float(added.mean()) == pytest.approx(METRICS[name].score(output, target))


def test_a_scale_of_the_target_scales_what_rows_add():
    output, target = answers("rmse")
    plain, scaled = METRICS["rmse"], in_units(METRICS["rmse"], 10.0)
    blocks = blocks_of(400)
    assert torch.allclose(
        row_scores(scaled, output, target, blocks), 10 * row_scores(plain, output, target, blocks)
    )


def test_a_metric_of_the_user_is_taken_apart_by_blocks_and_one_that_fails_says_nan():
    output, target = answers("rmse", 1000)
    blocks = blocks_of(1000)
    assert len(blocks.unique()) == 200

    def error(output, target):
        return float((output - target).abs().mean())

    added = row_scores(Metric("mae", error), output, target, blocks)
    rows = (output - target).abs().double()
    by_block = torch.stack([rows[blocks == block].mean() for block in range(200)])
    assert torch.allclose(added[:200], by_block, atol=1e-5)

    def needs_all(output, target):
        if len(target) < 1000:
            raise ValueError("too few rows")
        return 1.0

    assert row_scores(Metric("m", needs_all), output, target, blocks).isnan().all()


def test_rows_of_a_group_are_in_one_block():
    groups = torch.tensor([7, 7, 3, 3, 9, 9])
    blocks = blocks_of(6, groups)
    assert blocks.tolist() == [1, 1, 0, 0, 2, 2]
    assert len(blocks_of(5000, torch.arange(5000) // 2).unique()) == 200


@pytest.mark.parametrize("classes", [2, 5])
def test_the_area_is_of_probabilities_whether_the_model_gives_them_or_logits(classes):
    generator = torch.Generator().manual_seed(0)
    target = torch.arange(200) % classes
    # What is added to all logits of a row says nothing.
    logits = torch.randn(200, classes, generator=generator) + 5 * torch.randn(
        200, 1, generator=generator
    )
    logits[torch.arange(200), target] += 1
    probabilities = logits.softmax(1)
    binary = probabilities[:, 1] if classes == 2 else probabilities.double()
    if classes > 2:
        binary = binary / binary.sum(1, keepdim=True)
    expected = sklearn.metrics.roc_auc_score(target, binary, multi_class="ovr")
    auc = METRICS["auc"]
    for output in (logits, probabilities, logits.log_softmax(1)):
        assert auc.score(output, target) == pytest.approx(expected, abs=1e-6)
        added = row_scores(auc, output, target, blocks_of(200))
        assert float(added.mean()) == pytest.approx(expected, abs=1e-4)
