"""timm's families, each in its smallest form: (image size, arguments, truth)."""

from real_models_entry import Entry, entry, images, import_


def builder(name, options):
    """What builds a model of five classes."""

    def build():
        return import_("timm").create_model(name, pretrained=False, num_classes=5, **options)

    return build


VIT = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 4}
TWO = {"depths": (1, 1, 1, 1), "dims": (16, 32, 48, 64)}

TABLE = {
    "resnet18": (64, {}, 17),
    "resnet50": (64, {"layers": (1, 1, 1, 1)}, 13),
    "seresnet50": (64, {"layers": (1, 1, 1, 1)}, (17, "*.gate")),
    "ecaresnet50d": (64, {"layers": (1, 1, 1, 1)}, (15, "*.gate")),
    "skresnet18": (64, {}, 33),
    "resnest14d": (64, {}, 19),
    "res2net50d": (64, {"layers": (1, 1, 1, 1)}, 23),
    "resnetv2_50": (64, {"layers": (1, 1, 1, 1)}, 13),
    "efficientnet_b0": (64, {}, (49, "*.gate")),
    "tf_efficientnet_lite0": (64, {}, 33),
    "mobilenetv2_050": (64, {}, 35),
    "mobilenetv3_small_050": (64, {}, (33, "*.gate")),
    "mobilenetv4_conv_small_050": (64, {}, 30),
    "mnasnet_small": (64, {}, (41, "*.gate")),
    "tinynet_e": (64, {}, (31, "*.gate")),
    "mixnet_s": (64, {}, (46, "*.gate")),
    "lcnet_050": (64, {}, (30, "*.gate")),
    "convnext_atto": (64, TWO, 4),
    "convnextv2_atto": (64, TWO, 4),
    "vit_tiny_patch16_224": (32, VIT, 2),
    "deit_tiny_distilled_patch16_224": (32, VIT, 2),
    "vit_small_patch16_rope_224": (32, VIT, 2),
    "beit_base_patch16_224": (32, VIT, 2),
    "eva02_tiny_patch14_224": (32, VIT, (0, "*.act")),
    "cait_xxs24_224": (32, VIT, 4),
    "xcit_nano_12_p8_224": (32, {**VIT, "patch_size": 8}, 8),
    "swin_tiny_patch4_window7_224": (
        64,
        {"img_size": 64, "window_size": 4, "embed_dim": 16, "depths": (1, 1), "num_heads": (2, 2)},
        2,
    ),
    "swinv2_tiny_window8_256": (
        64,
        {"img_size": 64, "window_size": 4, "embed_dim": 16, "depths": (1, 1), "num_heads": (2, 2)},
        (4, "forward:*"),
    ),
    "mixer_s16_224": (32, {"img_size": 32}, 16),
    "resmlp_12_224": (32, {"img_size": 32}, 12),
    "gmlp_s16_224": (32, {"img_size": 32}, 30),
    "regnetx_002": (64, {}, 40),
    "regnety_002": (64, {}, (53, "*.gate")),
    "regnetz_005": (64, {}, (65, "*.gate")),
    "densenet121": (64, {"block_config": (2, 2, 2, 2)}, 21),
    "ghostnet_050": (64, {}, (42, "*.gate")),
    "ghostnetv2_100": (64, {}, (42, "*.gate_fn *.gate")),
    "levit_128s": (224, {}, 25),
    "coat_tiny": (64, {"img_size": 64, "serial_depths": (1, 1, 1, 1), "parallel_depth": 1}, 7),
    "coat_lite_tiny": (64, {"img_size": 64, "serial_depths": (1, 1, 1, 1)}, 4),
    "nfnet_l0": (64, {}, (64, "*.gate")),
    "dm_nfnet_f0": (64, {}, (64, "*.gate")),
    "nf_resnet26": (64, {}, 25),
    "repvgg_a0": (64, {}, 22),
    "inception_v3": (96, {}, 94),
    "inception_next_atto": (64, {}, 13),
    "legacy_xception": (96, {}, 35),
    "vovnet39a": (64, {}, 39),
    "ese_vovnet19b_slim": (64, {}, (19, "*.gate")),
    "hrnet_w18_small": (64, {}, 75),
    "mobilevit_xxs": (64, {}, 34),
    "mobilevitv2_050": (64, {}, 34),
    "efficientformer_l1": (224, {}, 17),
    "poolformer_s12": (64, {}, 12),
    "caformer_s18": (64, {}, 25),
    "convformer_s18": (64, {}, 37),
    "maxvit_tiny_tf_224": (64, {"img_size": 64}, (57, "*.gate")),
    "coatnet_nano_rw_224": (64, {"img_size": 64}, (31, "*.gate")),
    "pit_ti_224": (64, {"img_size": 64}, 12),
    "pvt_v2_b0": (64, {}, 8),
    "twins_svt_small": (64, {"img_size": 64}, 18),
    "tnt_s_patch16_224": (
        32,
        {"img_size": 32, "embed_dim": 32, "inner_dim": 16, "depth": 2, "num_heads_outer": 4},
        4,
    ),
    "visformer_tiny": (64, {"img_size": 64}, 23),
    "sequencer2d_s": (64, {"img_size": 64}, 18),
    "cspresnet50": (64, {}, 51),
    "darknet53": (64, {}, 52),
    "dla34": (64, {}, 33),
    "rexnet_100": (64, {}, (46, "*.gate")),
    "edgenext_xx_small": (64, {}, 12),
    "focalnet_tiny_srf": (64, {}, 48),
    "fastvit_t8": (64, {}, (18, "*.gate")),
    "repvit_m0_9": (64, {}, (37, "*.gate")),
    "repghostnet_050": (64, {}, (42, "*.gate")),
    "fasternet_t0": (64, {}, 14),
    "efficientvit_b0": (64, {}, 32),
    "davit_tiny": (64, {}, 12),
    "gcvit_xxtiny": (224, {}, (34, "*.gate")),
    "hgnet_tiny": (64, {}, (34, "*.sigmoid")),
    "mambaout_femto": (64, {}, (2, "stages.*.act")),
    "nextvit_small": (64, {}, 44),
    "starnet_s1": (64, {}, (1, "*.act")),
    "shvit_s1": (64, {}, (33, "*.gate")),
    "botnet26t_256": (64, {"img_size": 64}, 27),
    "lambda_resnet26t": (64, {"img_size": 64}, 27),
    "gcresnext26ts": (64, {}, 35),
    "convit_tiny": (224, {"depth": 3}, (3, "get_attention:*")),
}


def entries() -> list[Entry]:
    return [
        entry("timm", name, builder(name, options), images(size), truth)
        for name, (size, options, truth) in TABLE.items()
    ]
