"""A file that was edited between two loads is seen, and so are the siblings that it imports."""

import inspect
import pickle
import sys

import pytest

from advisor.errors import InputError
from advisor.loading.files import load_file, load_object


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    finders, modules = list(sys.meta_path), set(sys.modules)
    yield tmp_path
    assert sys.meta_path == finders
    for name in set(sys.modules) - set(modules):
        # A library that was imported meanwhile stays: parts of torch cannot be imported twice.
        if "site-packages" not in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def write(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)


def test_an_edited_file_is_run_again_and_an_unchanged_one_is_not(folder):
    write(folder, ed_study="WIDTH = 1\n")
    first = load_file(folder / "ed_study.py")
    assert load_file(folder / "ed_study.py") is first
    write(folder, ed_study="WIDTH = 2\n")  # in the same second, and of the same length
    assert load_file(folder / "ed_study.py").WIDTH == 2


@pytest.mark.parametrize("definitions_only", [False, True])
def test_an_edited_sibling_is_seen_at_the_next_load(folder, definitions_only):
    write(folder, ed_model="from ed_sizes import WIDTH\n", ed_sizes="WIDTH = 1\n")
    spec = f"{folder}/ed_model.py:WIDTH"
    assert load_object(spec, definitions_only=definitions_only) == 1
    write(folder, ed_sizes="WIDTH = 2\n")
    assert load_object(spec, definitions_only=definitions_only) == 2


def test_an_edited_sibling_of_a_sibling_is_seen(folder):
    write(folder, ed_top="from ed_middle import WIDTH\n", ed_middle="from ed_deep import WIDTH\n")
    write(folder, ed_deep="WIDTH = 1\n")
    assert load_file(folder / "ed_top.py").WIDTH == 1
    write(folder, ed_deep="WIDTH = 2\n")
    assert load_file(folder / "ed_top.py").WIDTH == 2


def test_an_edited_module_of_a_package_in_the_folder_is_seen(folder):
    (folder / "ed_package").mkdir()
    write(folder / "ed_package", __init__="from .sizes import WIDTH\n", sizes="WIDTH = 1\n")
    write(folder, ed_uses="from ed_package import WIDTH\n")
    sys.path.insert(0, str(folder))
    specs = f"{folder}/ed_uses.py:WIDTH", "ed_package.sizes:WIDTH"
    assert [load_object(spec, folder=folder) for spec in specs] == [1, 1]
    write(folder / "ed_package", sizes="WIDTH = 2\n")
    assert [load_object(spec, folder=folder) for spec in specs] == [2, 2]


def test_an_edited_module_that_is_named_with_dots_is_seen(folder):
    write(folder, ed_dotted="from ed_beside import WIDTH\n", ed_beside="WIDTH = 1\n")
    assert load_object("ed_dotted:WIDTH", folder=folder) == 1
    write(folder, ed_beside="WIDTH = 2\n")
    assert load_object("ed_dotted:WIDTH", folder=folder) == 2


def test_a_file_that_two_others_import_is_one_module_before_and_after_an_edit(folder):
    both = "from ed_shared import Net\n"
    write(folder, ed_one=both, ed_two=both, ed_shared="class Net: width = 1\n")

    def nets():
        return [load_object(f"{folder}/{name}.py:Net") for name in ("ed_one", "ed_two")]

    one, two = nets()
    assert one is two
    write(folder, ed_shared="class Net: width = 2\n")
    edited, other = nets()
    assert edited is other is not one
    assert edited.width == 2
    assert type(pickle.loads(pickle.dumps(edited()))) is edited


def test_a_module_that_the_user_imported_before_is_left_to_the_user(folder):
    write(folder, ed_mine="WIDTH = 1\n", ed_asks="from ed_mine import WIDTH\n")
    sys.path.insert(0, str(folder))
    import ed_mine

    load_file(folder / "ed_asks.py")
    write(folder, ed_mine="WIDTH = 22\n")
    load_file(folder / "ed_asks.py")
    assert sys.modules["ed_mine"] is ed_mine


def test_an_edit_in_another_folder_changes_nothing_here(folder):
    for name in ("here", "there"):
        (folder / name).mkdir()
        write(folder / name, **{f"ed_{name}": "WIDTH = 1\n"})
    here = load_file(folder / "here" / "ed_here.py")
    load_file(folder / "there" / "ed_there.py")
    write(folder / "there", ed_there="WIDTH = 2\n")
    assert load_file(folder / "there" / "ed_there.py").WIDTH == 2
    assert load_file(folder / "here" / "ed_here.py") is here


def test_a_library_in_a_virtual_environment_of_the_folder_is_not_run_again(folder):
    packages = folder / ".venv" / "site-packages"
    packages.mkdir(parents=True)
    write(packages, ed_library="WIDTH = 1\n")
    write(folder, ed_user="import ed_library\n")
    sys.path.append(str(packages))
    library = load_file(folder / "ed_user.py").ed_library
    write(packages, ed_library="WIDTH = 22\n")
    assert load_file(folder / "ed_user.py").ed_library is library


def test_the_source_of_an_edited_sibling_is_the_new_one(folder):
    write(folder, ed_source="from ed_net import net\n", ed_net="def net():\n    return 1\n")
    net = load_object(f"{folder}/ed_source.py:net")
    assert "return 1" in inspect.getsource(net)
    write(folder, ed_net="\n\ndef net():\n    return 2\n")
    net = load_object(f"{folder}/ed_source.py:net")
    assert inspect.getsource(net) == "def net():\n    return 2\n"


def test_a_sibling_that_was_broken_and_mended_is_seen(folder):
    write(folder, ed_main="from ed_part import WIDTH\n", ed_part="WIDTH = 1\n")
    load_file(folder / "ed_main.py")
    write(folder, ed_part="WIDTH = 1 / 0\n")
    with pytest.raises(InputError, match=r"ed_main.py failed at line 1 \(ZeroDivisionError"):
        load_file(folder / "ed_main.py")
    write(folder, ed_part="WIDTH = 3\n")
    assert load_file(folder / "ed_main.py").WIDTH == 3


def test_a_sibling_that_is_gone_is_missed(folder):
    write(folder, ed_needs="from ed_gone import WIDTH\n", ed_gone="WIDTH = 1\n")
    load_file(folder / "ed_needs.py")
    (folder / "ed_gone.py").unlink()
    with pytest.raises(InputError, match="install ed_gone, or mend the import"):
        load_file(folder / "ed_needs.py")


def test_a_folder_of_data_does_not_take_the_name_of_a_file(folder):
    (folder / "ed_data").mkdir()
    (folder / "code").mkdir()
    write(folder / "code", ed_data="WIDTH = 1\n")
    sys.path.insert(0, str(folder))
    assert load_file(folder / "code" / "ed_data.py").__name__ == "ed_data"


def test_a_folder_of_data_that_was_imported_does_not_take_the_name_either(folder):
    (folder / "ed_rows").mkdir()
    (folder / "code").mkdir()
    write(folder / "code", ed_rows="WIDTH = 1\n")
    sys.path.insert(0, str(folder))
    import ed_rows  # noqa: F401  # what is tested is that the name is taken

    assert load_file(folder / "code" / "ed_rows.py").__name__ == "ed_rows"


def test_a_package_keeps_its_name(folder):
    (folder / "ed_kept").mkdir()
    (folder / "code").mkdir()
    write(folder / "ed_kept", __init__="")
    write(folder / "code", ed_kept="WIDTH = 1\n")
    sys.path.insert(0, str(folder))
    assert load_file(folder / "code" / "ed_kept.py").__name__.startswith("ed_kept_")


def test_two_folders_may_each_have_a_module_of_one_name(write):
    files = {}
    for folder, width in (("one", 1), ("two", 2)):
        write(f"{folder}/sibling_net.py", f"WIDTH = {width}\n")
        files[folder] = write(f"{folder}/study_{folder}.py", "from sibling_net import WIDTH\n")
    assert load_file(files["one"]).WIDTH == 1
    assert load_file(files["two"]).WIDTH == 2

    # The first one runs again after its sibling was edited, and finds its own.
    write("one/sibling_net.py", "WIDTH = 3\n")
    write("one/study_one.py", "from sibling_net import WIDTH  # edited\n")
    assert load_file(files["one"]).WIDTH == 3
