"""Who goes where: all stations in each visit, in an order of its own, controls behind the station that they control."""

from hil.config import FieldTestConfig
from hil.experiments.field.itinerary import itinerary


def test_a_control_follows_its_own_station_in_each_visit() -> None:
    stations = [
        *({"name": name, "position_m": [2.0, 0.0, 1.2]} for name in ("a", "b", "c")),
        {"name": "metal", "position_m": [2.0, 0.0, 1.2], "surface": "metal", "patterns_of": "b"},
    ]
    plan = FieldTestConfig.model_validate(
        {
            "schema": "hil-experiment/1",
            "kind": "field_test",
            "hypothesis": {"arm": "stm", "against": "all_zero"},
            "arms": [
                {"kind": "uniform", "name": "all_zero"},
                {"kind": "optimized", "name": "stm", "optimizer": {"algorithm": "stm"}},
            ],
            "stations": stations,
            "visits": 20,
        }
    )
    route = [(visit.number, visit.station.name) for visit in itinerary(plan)]
    assert all(route[route.index((n, "metal")) - 1] == (n, "b") for n in range(20))
    assert len({tuple(name for m, name in route if m == n) for n in range(20)}) > 3
