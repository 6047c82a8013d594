"""Widgets of StableIdentity Train, whose values saved workflows store by position."""

from __future__ import annotations

import pytest

from helpers.pack import pack_module

pytestmark = pytest.mark.host


def test_a_further_method_with_a_setting_moves_no_widget(comfyui, monkeypatch):
    widgets = pack_module("nodes.train_settings", comfyui)
    before = [widget.id for widget in widgets.train_settings()]
    shipped = widgets.METHODS[widgets.DEFAULT]
    setting = widgets.Setting(name="toy_strength", default=0.5, low=0.0, high=1.0, help="How strong.")
    toy = type("Toy", (shipped,), {"method": "toy", "settings": (setting,), "defaults": {}})
    monkeypatch.setitem(widgets.METHODS, "toy", toy)
    assert [widget.id for widget in widgets.train_settings()] == [*before, "toy_strength"]
