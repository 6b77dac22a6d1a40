"""Deaths of workers, in the database."""

from advisor.store.database import Database
from advisor.store.deaths import StoredDeaths


def test_deaths_are_counted_over_resumes_and_forgotten_one_job_at_a_time(tmp_path):
    with Database(f"sqlite:///{tmp_path}/a.db", None) as database:
        deaths = StoredDeaths(database.engine, "one")
        deaths.add("trial 7", "exit code 0")
        deaths.add("trial 7", "killed by SIGSEGV")
        deaths.add("trial 8", "exit code 0")
        other = StoredDeaths(database.engine, "other")
        other.add("trial 7", "exit code 1")

    with Database(f"sqlite:///{tmp_path}/a.db", None) as database:
        again = StoredDeaths(database.engine, "one")
        assert (again.count("trial 7"), again.why("trial 7")) == (2, "killed by SIGSEGV")
        again.forget("trial 7")
        again.forget("trial 9")
        assert [again.count("trial 7"), again.count("trial 8")] == [0, 1]
        assert StoredDeaths(database.engine, "one").count("trial 7") == 0
        again.forget()
        assert StoredDeaths(database.engine, "one").count("trial 8") == 0
        assert StoredDeaths(database.engine, "other").count("trial 7") == 1


def test_a_study_that_is_deleted_takes_its_deaths_along(tmp_path):
    with Database(f"sqlite:///{tmp_path}/a.db", None) as database:
        database.study("one").begin("r2", "maximize", {}, None)
        StoredDeaths(database.engine, "one").add("trial 0", "exit code 0")
        database.delete("one")
        assert StoredDeaths(database.engine, "one").count("trial 0") == 0
