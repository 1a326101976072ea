"""The description of a context is XML by its own document type, and finds what it describes."""

import errno
from xml.etree import ElementTree

import pytest

from hil.sim.iio_context import Attribute, Channel, Context, Device, ScanElement

CONTEXT = Context(
    "local",
    'says "<hello>" & more',
    {"hw_serial": "1&2"},
    (
        Device(
            "iio:device0",
            "adc",
            (
                Channel("voltage0", False, {"raw": Attribute(lambda: "5")}, scan=ScanElement(0, "le:S12/16>>0")),
                Channel("altvoltage1", True, {"frequency": Attribute()}, name="TX_LO"),
            ),
            {"mode": Attribute()},
            {"loopback": Attribute()},
            {"watermark": Attribute()},
        ),
    ),
)


def test_the_description_names_every_attribute_where_it_belongs():
    root = ElementTree.fromstring(CONTEXT.xml())
    assert root.get("description") == 'says "<hello>" & more'
    assert [(e.get("name"), e.get("value")) for e in root.findall("context-attribute")] == [("hw_serial", "1&2")]
    device = root.find("device")
    assert [c.get("type") for c in device.findall("channel")] == ["input", "output"]
    assert device.find("channel/scan-element").attrib == {"index": "0", "format": "le:S12/16>>0"}
    filenames = [e.get("filename") for e in device.findall("channel/attribute")]
    assert filenames == ["in_voltage0_raw", "out_altvoltage1_TX_LO_frequency"]
    for tag in ("attribute", "debug-attribute", "buffer-attribute"):
        assert len(device.findall(tag)) == 1


def test_the_document_type_declares_every_element_and_attribute_that_is_used():
    text = CONTEXT.xml()
    declared = text[text.index("[") : text.index("]>")]
    for element in ElementTree.fromstring(text).iter():
        assert f"<!ELEMENT {element.tag} " in declared
        for name in element.attrib:
            assert f"<!ATTLIST {element.tag} {name} " in declared


def test_devices_and_channels_are_found_by_id_or_name():
    device = CONTEXT.device("adc")
    assert device is CONTEXT.device("iio:device0")
    assert device.find_channel("TX_LO", True) is device.find_channel("altvoltage1", True)
    assert device.find_channel("voltage0", True) is None
    assert set(device.find_attributes(None, False, "debug")) == {"loopback"}


def test_what_is_not_there_is_named_by_its_errno():
    with pytest.raises(OSError, match="dac") as caught:
        CONTEXT.device("dac")
    assert caught.value.errno == errno.ENODEV
    with pytest.raises(OSError, match="output channel voltage0") as caught:
        CONTEXT.device("adc").find_attributes("voltage0", True, "device")
    assert caught.value.errno == errno.ENOENT
