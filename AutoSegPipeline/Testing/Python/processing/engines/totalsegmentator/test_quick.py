"""What spares memory traffic in a network on the CPU changes no bit of its scores."""

from __future__ import annotations

import support.tiny_totalsegmentator as support
from support.tiny_totalsegmentator import needs_package

pytestmark = needs_package

PROGRAM = """
import copy
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet
from torch import nn
from AutoSegPipelineLib.processing.engines.networks import quick

how = dict(
    input_channels=1, n_stages=3, features_per_stage=[16, 24, 40], conv_op=nn.Conv3d, kernel_sizes=3,
    strides=[1, 2, 2], num_classes=30, n_conv_per_stage_decoder=2, conv_bias=True,
    norm_op=nn.InstanceNorm3d, norm_op_kwargs={"eps": 1e-5, "affine": True}, nonlin=nn.LeakyReLU,
    nonlin_kwargs={"inplace": True}, deep_supervision=False,
)
part = (slice(3, 20), slice(0, 31), slice(9, 29))
for made in (PlainConvUNet(n_conv_per_stage=2, **how), ResidualEncoderUNet(n_blocks_per_stage=2, **how)):
    torch.manual_seed(3)
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.2)
    plain, fast = made.eval(), copy.deepcopy(made).eval()
    with torch.inference_mode():
        norms, products = quick.normalise_in_place(fast), quick.enlarge_by_product(fast)
        head = quick.quick_head(fast)
        for seed in (1, 2):  # the first time is the comparison, the second relies on it
            scan = torch.randn(1, 1, 24, 32, 32, generator=torch.Generator().manual_seed(seed))
            head.part = part
            alone, wanted = fast(scan), plain(scan)
            same = torch.equal(alone, wanted[(slice(None), slice(None), *part)])
            head.part = None
            print(norms > 8, products, same, torch.equal(fast(scan), wanted), bool(wanted.std() > 0))
        enlarged = [layer for layer in fast.modules() if isinstance(layer, nn.ConvTranspose3d)]
        print(list(head._same.values()), [list(layer.forward._same.values()) for layer in enlarged])
"""


def test_scores_are_the_same_bit_for_bit_in_plain_and_in_residual_networks() -> None:
    done = support.run_there("-c", PROGRAM)
    assert done.returncode == 0, done.stderr[-3000:]
    lines = done.stdout.splitlines()
    assert len(lines) == 6
    for line in (*lines[:2], *lines[3:5]):
        assert line == "True 2 True True True", lines
    for line in (lines[2], lines[5]):
        assert line == "[True] [[True], [True]]", "the quick ways were not even used"
