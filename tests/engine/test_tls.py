"""Who is let in: addresses, files and certificates."""

import ipaddress
import os
import stat
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from hil.config import ClosedLoopConfig, HostConfig
from hil.engine.certs import make_certificates
from hil.engine.serve import resources_of, serve_scheduler, serve_worker
from hil.engine.tls import Tls
from hil.engine.work import resources_for
from hil.errors import ConfigError
from hil.yamlfile import load_yaml_text

OFF_LOOPBACK = ("tcp://192.168.1.7:8786", "tcp://0.0.0.0:8786", "tcp://gpu-host:8786", "tcp://[2001:db8::1]:8786")


def never(_told: object) -> None:
    raise AssertionError("it came up")


@pytest.mark.parametrize("address", OFF_LOOPBACK)
def test_off_loopback_without_tls_is_refused_at_every_door(address):
    with pytest.raises(ValueError, match="whoever reaches it can run code"):
        HostConfig(scheduler=address)
    with pytest.raises(ConfigError, match="unencrypted"):
        serve_scheduler(address, Tls(), never)
    with pytest.raises(ConfigError, match="unencrypted"):
        serve_worker(address, Tls(), {"compute": 1.0}, never, never)


@pytest.mark.parametrize("address", OFF_LOOPBACK)
def test_certificates_do_not_make_an_unencrypted_address_good(address, tls):
    with pytest.raises(ConfigError, match="unencrypted"):
        tls.security(address)


@pytest.mark.parametrize("missing", ["ca", "cert", "key"])
def test_tls_needs_all_three_files(tls, missing):
    files = {**vars(tls), missing: None}
    with pytest.raises(ConfigError, match="needs ca, cert and key"):
        Tls(**files).security("tls://gpu-host:8786")


def test_loopback_needs_no_tls():
    assert Tls().security("tcp://127.0.0.1:8786") is None and Tls().security("tcp://localhost:1") is None


@pytest.mark.parametrize("address", ["gpu-host:8786", "http://gpu-host", "tls://", "inproc://x"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ValueError, match="written as tls://host:8786"):
        HostConfig(scheduler=address, ca="a", cert="b", key="c")


def test_a_key_that_others_can_read_is_refused(tls, tmp_path):
    key = tmp_path / "open.key"
    key.write_text("secret")
    key.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        Tls(tls.ca, tls.cert, str(key)).security("tls://gpu-host:8786")


def test_a_file_that_is_not_there_is_named(tls):
    with pytest.raises(ConfigError, match=r"cert: nowhere\.pem: No such file"):
        Tls(tls.ca, "nowhere.pem", tls.key).security("tls://gpu-host:8786")


def test_the_experiment_file_is_told_what_an_engine_is():
    text = "schema: hil-experiment/1\nkind: closed_loop\nengine: {scheduler: 'tcp://10.0.0.2:8786'}\n"
    with pytest.raises(ConfigError, match=r"x\.yaml:3: .*whoever reaches it can run code"):
        load_yaml_text(text, "x.yaml", ClosedLoopConfig)
    with pytest.raises(ConfigError, match=r"x\.yaml:3: engine: got \"gpu\"; allowed: local or a mapping"):
        load_yaml_text(text.replace("{scheduler: 'tcp://10.0.0.2:8786'}", "gpu"), "x.yaml", ClosedLoopConfig)


def test_each_machine_gets_a_certificate_that_the_authority_signed(tmp_path):
    os.umask(0o022)
    make_certificates(tmp_path / "certs", ["gpu-host", "192.168.1.7"])
    authority = x509.load_pem_x509_certificate((tmp_path / "certs/ca.pem").read_bytes())
    for name, general in (("gpu-host", "gpu-host"), ("192.168.1.7", ipaddress.ip_address("192.168.1.7"))):
        machine = x509.load_pem_x509_certificate((tmp_path / f"certs/{name}.pem").read_bytes())
        machine.verify_directly_issued_by(authority)
        san = machine.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert [each.value for each in san] == [general]
        assert not machine.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        left = machine.not_valid_after_utc - datetime.now(UTC)
        assert timedelta(days=365) < left < timedelta(days=825)
    assert isinstance(authority.public_key(), ec.EllipticCurvePublicKey)


def test_keys_are_readable_for_their_owner_only_and_never_replaced(tmp_path):
    files = make_certificates(tmp_path, ["a"])
    keys = [path for path in files if path.suffix == ".key"]
    assert len(keys) == 2 and all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in keys)
    before = {path: path.read_bytes() for path in files}
    with pytest.raises(ConfigError, match="exists already"):
        make_certificates(tmp_path, ["a"])
    assert [path.name for path in make_certificates(tmp_path, ["b"])] == ["b.key", "b.pem"]
    assert all(path.read_bytes() == content for path, content in before.items())


@pytest.mark.parametrize("name", ["ca", "", "../x", "Gpu", "a b"])
def test_a_name_that_is_none_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match="a host name in small letters or an address"):
        make_certificates(tmp_path, [name])
    assert not list(tmp_path.iterdir())


def test_a_worker_offers_what_it_has():
    assert resources_of("cpu", []) == {"compute": 1.0}
    assert resources_of(None, ["roof", "lab"]) == {"testbed:roof": 1.0, "testbed:lab": 1.0}
    with pytest.raises(ConfigError, match="what shall this worker do"):
        resources_of(None, [])


def test_a_worker_with_a_gpu_says_so_and_one_without_is_refused_before_it_connects(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert resources_of("cuda", ["roof"]) == {"testbed:roof": 1.0, "compute": 1.0, "GPU": 1.0}
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ConfigError, match="--device cuda: no CUDA device is visible to torch, allowed: cpu"):
        resources_of("cuda", ["roof"])


def test_what_is_asked_for_on_a_gpu_goes_to_a_worker_that_has_one():
    assert resources_for("cuda").items() <= {**resources_of("cpu", []), "GPU": 1.0}.items()
    assert not resources_for("cuda").keys() <= resources_of("cpu", []).keys()
    assert resources_for("cpu").keys() <= resources_of("cpu", []).keys()
