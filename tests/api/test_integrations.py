"""The callbacks by which frameworks that own their loop report; without a framework, skipped."""

import logging
import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional

import advisor
from advisor.integrations import lightning as by_lightning
from advisor.integrations import skorch as by_skorch
from advisor.integrations import transformers as by_transformers
from advisor.work.job import Job, work
from advisor.work.opened import in_this_process
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef

EPOCHS, BATCH = 3, 16


def rows():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(120, 6, generator=generator)
    return x, (x[:, 0] + x[:, 1] > 0).long()


def net():
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 2))


class Words(nn.Module):
    """A model that is called as those of transformers are."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(6, 2)

    def forward(self, input_ids, labels=None):
        logits = self.last(input_ids)
        loss = None if labels is None else functional.cross_entropy(logits, labels)
        return {"logits": logits} if loss is None else {"loss": loss, "logits": logits}


def skorch(run):
    from skorch import NeuralNetClassifier

    net = NeuralNetClassifier(
        run.model,
        criterion=nn.CrossEntropyLoss,
        lr=run.lr,
        max_epochs=run.epochs + 5,  # as early stopping would, the study ends it
        batch_size=run.batch,
        train_split=None,
        verbose=0,
        callbacks=[by_skorch.reporting(run)],
    )
    net.max_epochs = run.epochs
    net.fit(run.train, None)


def lightning(run):
    from lightning import LightningModule, Trainer

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Lit(LightningModule):
        def __init__(self):
            super().__init__()
            self.model = run.model

        def training_step(self, batch, _):
            x, y = batch
            return functional.cross_entropy(self.model(x), y)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=run.lr)

    trainer = Trainer(
        max_epochs=run.epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[by_lightning.reporting(run)],
    )
    trainer.fit(Lit(), run.loader(run.train))


def transformers(run):
    from transformers import Trainer, TrainingArguments

    arguments = TrainingArguments(
        str(run.seed),
        num_train_epochs=run.epochs,
        per_device_train_batch_size=run.batch,
        learning_rate=run.lr,
        seed=run.seed,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
    )
    trained = by_transformers.rows(run.train, run.model)
    Trainer(
        run.model,
        arguments,
        train_dataset=trained,
        callbacks=[by_transformers.reporting(run)],
    ).train()


CASES = {
    "skorch": (skorch, net),
    "lightning": (lightning, net),
    "transformers": (transformers, Words),
}


@pytest.mark.parametrize("framework", CASES)
def test_a_framework_that_owns_its_loop_reports_each_epoch_and_is_stopped(
    framework, tmp_path, monkeypatch
):
    pytest.importorskip(framework)
    monkeypatch.chdir(tmp_path)
    fit, build = CASES[framework]
    task = advisor.Task(build, rows, fit=fit, lr=0.1, batch=BATCH)
    prepared = prepare(StudyRef.of(advisor.Study("framework", task, epochs=EPOCHS)))
    params = {"training.lr": 0.1, "training.weight_decay": 0.0}
    where = (prepared.ref, prepared.opening_id, prepared.digest, params)
    with warnings.catch_warnings(), in_this_process(prepared):
        warnings.simplefilter("ignore")
        whole = work(Job(*where, 3, 0, BATCH, 0, EPOCHS))
        cut = work(Job(*where, 3, 0, BATCH, 0, EPOCHS, cuts={1: 2.0}))
    assert not whole.why
    assert [epoch.epoch for epoch in whole.curve] == [1, 2, 3]
    assert whole.curve[-1].loss < whole.curve[0].loss
    assert (whole.loop.asked, whole.loop.has_model) == (("lr",), True)
    assert (len(cut.curve), cut.ended) == (1, "outranked")


def test_rows_for_a_trainer_have_the_names_that_the_model_asks_for():
    dataset = [(torch.zeros(6), torch.tensor(1))]
    found = by_transformers.rows(dataset, Words())
    assert list(found[0]) == ["input_ids", "labels"]
    named = by_transformers.rows([({"input_ids": torch.zeros(2)}, torch.tensor(0))])
    assert list(named[0]) == ["input_ids", "labels"]
    assert len(found) == 1
