from worldmodel.config import load_config
from worldmodel.model_card import model_card

DREAM = {
    "frames": {
        "changed_psnr_db": 15.04,
        "copy_last": {"changed_psnr_db": 10.0},
        "ceiling": {"changed_psnr_db": 25.0},
        "by_horizon": {"changed_psnr_db": [16.0]},
    },
    "control": {"shuffle_ratio": 1.6, "inverse_r2_dream": 0.9},
    "actions": {"inverse_r2": 0.95},
}
POLICY = {"env": "worldmodel/PushT-v0", "success_rate": 0.5, "success_ci95": [0.4, 0.6], "mean_score": 0.7}
RANDOM = {"success_rate": 0.0, "mean_score": 0.1}
CONFIG = load_config("configs/tiny.yaml")


def test_measures_stand_beside_what_they_are_to_be_compared_with():
    policy = {**POLICY, "episodes": 20, "references": {"random": RANDOM}}
    card = model_card(CONFIG, None, {"human": DREAM, "policy": policy})
    assert "| human | 15.0 / 10.0 / 25.0 | 1.60 | 0.95 / 0.90 |" in card
    assert "| PushT-v0 | 0.50, 0.70 | 0.40 to 0.60 | 20 | random 0.00, 0.10 |" in card
    assert "`training.metrics`" in card


def test_what_was_not_measured_is_not_told():
    watched = {"frames": DREAM["frames"]}
    assert "| video | 15.0 / 10.0 / 25.0 | - | - / - |" in model_card(CONFIG, None, {"video": watched})
    several = {"policies": {"click-test": {**POLICY, "episodes": 3}}}
    card = model_card(CONFIG, None, several)
    assert "| click-test | 0.50, 0.70 | 0.40 to 0.60 | 3 | - |" in card
    assert "held-out" not in card
    assert "Not measured." in model_card(CONFIG, None, {})


def test_where_weights_come_from_is_told():
    assert "They go on from" not in model_card(CONFIG, None, {})
    config = load_config("configs/table.yaml")
    assert "They go on from the weights of `runs/table_first/checkpoint`." in model_card(config, None, {})
    begun = load_config("configs/tiny.yaml", ["--init", "pusht"])
    assert "go on from the weights of `pusht`." in model_card(begun, None, {})
