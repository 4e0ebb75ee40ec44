from __future__ import annotations

from ipaddress import ip_network

import pytest

from tests.config.tree import NAME, Tree

TARGET = f'[[target]]\nname = "{NAME}"\n[target.access]\n'
SECRET = "a secret of sixteen"


def _chap(tree: Tree, **secrets: str) -> str:
    users = []
    for user, content in secrets.items():
        path = tree.write(content, user, 0o600)
        users.append(f'{{ user = "{user}", secret = {{ file = "{path}" }} }}')
    return ", ".join(users)


def test_all_of_it(tree: Tree) -> None:
    text = (
        f'{TARGET}initiators = ["iqn.*"]\naddresses = ["10.0.0.0/8"]\nchap = [{_chap(tree, one=SECRET, two=SECRET)}]\n'
    )
    text += f'chap_mutual = {_chap(tree, me="an altogether other one")}\nchap_algorithms = ["sha256"]\n'
    access = tree.target(text).access
    assert not access.anyone
    assert access.initiators == ("iqn.*",)
    assert access.addresses == (ip_network("10.0.0.0/8"),)
    assert [(user.user, user.secret.value) for user in access.chap.incoming] == [
        ("one", SECRET.encode()),
        ("two", SECRET.encode()),
    ]
    assert access.chap.outgoing is not None
    assert access.chap.outgoing.secret.value == b"an altogether other one"
    assert access.chap.algorithms == ("sha256",)


def test_the_open_door(tree: Tree) -> None:
    access = tree.target(f"{TARGET}anyone = true\n").access
    assert access.anyone
    assert access.chap.algorithms == ("sha3-256", "sha256", "sha1", "md5")


def test_an_open_door_that_is_not(tree: Tree) -> None:
    assert tree.complaints(f'{TARGET}anyone = true\naddresses = ["10.0.0.1"]\n') == [
        (
            f'a.toml:4:10: target "{NAME}": access.anyone: anyone = true opens the door to everybody, yet '
            f"addresses narrows it; "
            "remove anyone, or addresses"
        )
    ]


def test_each_wrong_entry_is_told(tree: Tree) -> None:
    assert tree.complaints(f'{TARGET}initiators = ["IQN.*", "iqn.x"]\naddresses = ["10.0.0.1", "10.0.0.1/8"]\n') == [
        (
            f'a.toml:4:15: target "{NAME}": access.initiators[0]: "IQN.*" has upper case letters, which no iSCSI '
            f"name has; "
            'write "iqn.*"'
        ),
        (
            f'a.toml:5:26: target "{NAME}": access.addresses[1]: "10.0.0.1/8" is an address within a network; '
            'write "10.0.0.0/8" for the network or "10.0.0.1" for one'
        ),
    ]


@pytest.mark.parametrize("pattern", ["10.0.0.5", "host1", "iqm.*"])
def test_a_pattern_that_no_name_matches_is_doubtful(tree: Tree, pattern: str) -> None:
    tree.write(
        f'[[target]]\nname = "{NAME}"\n[target.access]\ninitiators = ["iqn.*", "{pattern}", "*", "?qn.x", "eui.0"]\n'
    )
    (warning,) = tree.load().warnings
    assert (warning.line, warning.severity, warning.problem) == (4, "warning", f'"{pattern}" lets nobody in')


def test_two_users_of_one_name(tree: Tree) -> None:
    user = _chap(tree, one=SECRET)
    (line,) = tree.complaints(f"{TARGET}chap = [{user}, {user}]\n")
    assert 'access.chap[1].user: there are two users "one"; remove one of the two' in line


def test_one_secret_for_both_directions(tree: Tree) -> None:
    text = f"{TARGET}chap = [{_chap(tree, one=SECRET)}]\nchap_mutual = {_chap(tree, me=SECRET)}\n"
    (line,) = tree.complaints(text)
    assert 'access.chap_mutual.secret: the target would prove itself with the secret of user "one"' in line
    assert SECRET not in line


def test_inline_secrets(tree: Tree) -> None:
    text = f'{TARGET}chap = [{{ user = "one", secret = "{SECRET}" }}]\n'
    assert tree.complaints(text, mode=0o600) == []
    (line,) = tree.complaints(text, mode=0o640)
    assert line == (
        f'a.toml:4:34: target "{NAME}": access.chap[0].secret: a secret stands in a file of mode 0640; chmod 0600 the '
        'file, or put the secret elsewhere: secret = { file = "/etc/tgtd/secrets/name" }'
    )


def test_a_missing_secret_is_an_error_or_a_warning(tree: Tree) -> None:
    tree.write(f'{TARGET}chap = [{{ user = "one", secret = {{ file = "/nowhere/s" }} }}]\n')
    config = tree.loader(secrets=False).load()
    (warning,) = config.warnings
    assert warning.severity == "warning"
    assert "cannot be read: No such file or directory" in warning.problem
    (line,) = tree.complaints(tree.root.joinpath("targets.d/a.toml").read_text())
    assert "warning" not in line
