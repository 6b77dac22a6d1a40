"""Models of further packages: (name, builder, inputs, truth) by package."""

import torch
from real_models_entry import ByName, Entry, entry, images, import_, make, rows, tokens


def vision(name, **options):
    return make("torchvision", f"models.{name}", weights=None, **options)


def ids(*shapes):
    """Numbers of tokens."""
    return lambda: tuple(torch.randint(3, 60, shape) for shape in shapes)


def both(*makers):
    return lambda: tuple(value for make_one in makers for value in make_one())


def graph(layers=16):
    """Node features and edges of a small graph."""
    return lambda: (torch.randn(8, layers), torch.randint(0, 8, (2, 24)))


def named(build, *names):
    return lambda: ByName(build(), names)


def factory(cls, *args, **options):
    """A torch_geometric model of two layers."""
    return make("torch_geometric", f"nn.models.{cls}", 16, 16, 2, 4, *args, **options)


def smp(name, encoder="resnet18", **options):
    return make(
        "segmentation_models_pytorch", name, encoder, encoder_weights=None, classes=2, **options
    )


VIT = {
    "image_size": 32,
    "patch_size": 8,
    "num_classes": 5,
    "dim": 32,
    "depth": 2,
    "heads": 2,
    "mlp_dim": 64,
}


def vit(name, **options):
    return make("vit_pytorch", name, **{**VIT, **options})


def decoder(**options):
    def build():
        x = import_("x_transformers")
        layers = x.Decoder(dim=32, depth=2, heads=2, **options)
        return x.TransformerWrapper(num_tokens=100, max_seq_len=32, attn_layers=layers)

    return build


def encoder(**options):
    def build():
        x = import_("x_transformers")
        return x.TransformerWrapper(
            num_tokens=100,
            max_seq_len=32,
            attn_layers=x.Encoder(dim=32, depth=2, heads=2, **options),
        )

    return build


UNET2D = {
    "sample_size": 16,
    "in_channels": 3,
    "out_channels": 3,
    "layers_per_block": 1,
    "block_out_channels": (16, 32),
    "norm_num_groups": 8,
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
}


def cv(name):
    def build():
        model = import_("pytorchcv.model_provider").get_model(name, pretrained=False)
        top = (
            model.features
            if hasattr(getattr(model, "features", None), "final_pool")
            else getattr(model, "output", model)
        )
        if hasattr(top, "final_pool"):
            top.final_pool = torch.nn.AdaptiveAvgPool2d(1)  # takes small images too
        return model

    return build


TABLE = {
    "torchvision": {
        "alexnet": (vision("alexnet", num_classes=5), images(96), 7),
        "vgg11_bn": (vision("vgg11_bn", num_classes=5), images(32), 10),
        "resnet18": (vision("resnet18"), images(), 17),
        "resnext50": (vision("resnext50_32x4d"), images(), 49),
        "googlenet": (vision("googlenet", init_weights=True), images(96), 61),
        "inception_v3": (
            vision("inception_v3", init_weights=False, aux_logits=False),
            images(96),
            94,
        ),
        "squeezenet1_1": (vision("squeezenet1_1"), images(), (25, "classifier.2")),
        "shufflenet_v2_x0_5": (vision("shufflenet_v2_x0_5"), images(), 37),
        "mnasnet0_5": (vision("mnasnet0_5"), images(), 35),
        "mobilenet_v2": (vision("mobilenet_v2"), images(), 35),
        "mobilenet_v3_small": (vision("mobilenet_v3_small"), images(), (33, "*.scale_activation")),
        "efficientnet_b0": (vision("efficientnet_b0"), images(), (49, "*.scale_activation")),
        "efficientnet_v2_s": (vision("efficientnet_v2_s"), images(), (102, "*.scale_activation")),
        "densenet121": (vision("densenet121"), images(), 121),
        "regnet_y_400mf": (vision("regnet_y_400mf"), images(), (65, "*.scale_activation")),
        "convnext_tiny": (vision("convnext_tiny"), images(), 18),
        "vit_b_16": (
            make("torchvision", "models.VisionTransformer", 32, 8, 2, 2, 32, 64),
            images(32),
            2,
        ),
        "swin_t": (
            make(
                "torchvision",
                "models.SwinTransformer",
                [4, 4],
                16,
                [1, 1],
                [2, 2],
                [4, 4],
                num_classes=5,
            ),
            images(32),
            2,
        ),
        "fcn_resnet50": (
            vision("segmentation.fcn_resnet50", weights_backbone=None, aux_loss=True),
            images(),
            51,
        ),
        "deeplabv3_mobilenet": (
            vision("segmentation.deeplabv3_mobilenet_v3_large", weights_backbone=None),
            images(),
            (46, "*.scale_activation"),
        ),
        "lraspp": (
            vision("segmentation.lraspp_mobilenet_v3_large", weights_backbone=None),
            images(),
            (40, "*.scale_activation *.scale.2"),
        ),
        "r3d_18": (vision("video.r3d_18"), rows(2, 3, 4, 32, 32), 17),
        "r2plus1d_18": (vision("video.r2plus1d_18"), rows(2, 3, 4, 32, 32), 34),
        "raft_small": (
            vision("optical_flow.raft_small"),
            both(images(128), images(128)),
            (111, "forward:513:23* forward:*@*convgru*"),
        ),
    },
    "segmentation_models_pytorch": {
        "Unet": (smp("Unet"), images(), 27),
        "Unet-scse": (
            smp("Unet", decoder_attention_type="scse", activation="sigmoid"),
            images(),
            (36, "*.cSE.4 *.sSE.1 segmentation_head.2"),
        ),
        "UnetPlusPlus": (smp("UnetPlusPlus"), images(), 39),
        "MAnet": (smp("MAnet"), images(), (43, "*.SE_hl.4 *.SE_ll.4")),
        "Linknet": (smp("Linknet"), images(), 32),
        "FPN": (smp("FPN"), images(), 24),
        "PSPNet": (smp("PSPNet"), images(), 14),
        "PAN": (
            smp("PAN"),
            images(128),
            (
                24,
                "*.0.activation *.2.activation *.fpa.conv2.activation *.conv1.activation *.conv1.2",
            ),
        ),
        "DeepLabV3Plus": (smp("DeepLabV3Plus"), images(), 26),
        "UPerNet": (smp("UPerNet"), images(), 29),
        "Segformer": (smp("Segformer", "mit_b0"), images(), 9),
    },
    "efficientnet_pytorch": {
        "b0": (
            lambda: import_("efficientnet_pytorch").EfficientNet.from_name(
                "efficientnet-b0", num_classes=5
            ),
            images(),
            (49, "forward:*"),
        ),
    },
    "vit_pytorch": {
        "ViT": (vit("ViT"), images(32), 2),
        "SimpleViT": (vit("simple_vit.SimpleViT"), images(32), 2),
        "DeepViT": (vit("deepvit.DeepViT"), images(32), 2),
        "CaiT": (vit("cait.CaiT", cls_depth=1), images(32), 3),
        "T2TViT": (
            make(
                "vit_pytorch",
                "t2t.T2TViT",
                image_size=32,
                num_classes=5,
                dim=32,
                depth=2,
                heads=2,
                mlp_dim=64,
            ),
            images(32),
            4,
        ),
        "CCT": (
            make(
                "vit_pytorch",
                "cct.CCT",
                img_size=32,
                embedding_dim=32,
                num_layers=2,
                num_heads=2,
                num_classes=5,
            ),
            images(32),
            3,
        ),
        "LeViT": (
            make(
                "vit_pytorch",
                "levit.LeViT",
                image_size=64,
                num_classes=5,
                dim=(16, 32),
                depth=1,
                heads=(2, 2),
                stages=2,
                mlp_mult=2,
            ),
            images(64),
            6,
        ),
        "CvT": (
            make(
                "vit_pytorch",
                "cvt.CvT",
                num_classes=5,
                s1_emb_dim=16,
                s2_emb_dim=16,
                s3_emb_dim=16,
                s2_depth=1,
                s3_depth=1,
                s2_heads=1,
                s3_heads=1,
            ),
            images(64),
            3,
        ),
        "TwinsSVT": (
            make(
                "vit_pytorch",
                "twins_svt.TwinsSVT",
                num_classes=5,
                s1_emb_dim=16,
                s2_emb_dim=16,
                s3_emb_dim=16,
                s4_emb_dim=16,
                s1_local_patch_size=4,
                s2_local_patch_size=4,
                s3_local_patch_size=2,
                s4_local_patch_size=1,
                s1_global_k=2,
                s2_global_k=2,
                s3_global_k=2,
                s4_global_k=1,
                s3_depth=1,
            ),
            images(64),
            17,
        ),
        "RegionViT": (
            make(
                "vit_pytorch",
                "regionvit.RegionViT",
                num_classes=5,
                dim=(16, 16, 32, 32),
                depth=(1, 1, 1, 1),
                window_size=1,
            ),
            images(64),
            4,
        ),
        "NesT": (
            make(
                "vit_pytorch",
                "nest.NesT",
                image_size=64,
                patch_size=4,
                dim=16,
                heads=2,
                num_hierarchies=3,
                block_repeats=(1, 1, 1),
                num_classes=5,
            ),
            images(64),
            3,
        ),
        "MobileViT": (
            make(
                "vit_pytorch",
                "mobile_vit.MobileViT",
                image_size=(64, 64),
                dims=[16, 16, 16],
                channels=[8, 8, 16, 16, 24, 24, 32, 32, 40, 40, 48],
                num_classes=5,
            ),
            images(64),
            37,
        ),
        "XCiT": (
            make(
                "vit_pytorch",
                "xcit.XCiT",
                image_size=32,
                patch_size=8,
                num_classes=5,
                dim=32,
                depth=2,
                cls_depth=1,
                heads=2,
                mlp_dim=64,
            ),
            images(32),
            5,
        ),
        "MaxViT": (
            make(
                "vit_pytorch",
                "max_vit.MaxViT",
                num_classes=5,
                dim=16,
                depth=(1, 1),
                dim_head=8,
                window_size=4,
            ),
            images(64),
            (10, "*.gate.4"),
        ),
        "ScalableViT": (
            make(
                "vit_pytorch",
                "scalable_vit.ScalableViT",
                num_classes=5,
                dim=16,
                heads=(2, 2, 2, 2),
                depth=(1, 1, 1, 1),
                ssa_dim_key=(8, 8, 8, 8),
                reduction_factor=(4, 2, 1, 1),
                window_size=(8, 4, None, None),
            ),
            images(64),
            8,
        ),
        "RvT": (vit("rvt.RvT"), images(32), (0, "forward:*")),
        "PiT": (
            make(
                "vit_pytorch",
                "pit.PiT",
                image_size=64,
                patch_size=8,
                dim=32,
                num_classes=5,
                depth=(1, 1),
                heads=2,
                mlp_dim=64,
            ),
            images(64),
            2,
        ),
    },
    "x_transformers": {
        "decoder": (decoder(), tokens(), 2),
        "glu": (decoder(ff_glu=True, ff_swish=True, rotary_pos_emb=True), tokens(), (0, "*.act")),
        "relu squared": (encoder(ff_relu_squared=True, use_rmsnorm=True), tokens(), 2),
        "gated values": (
            decoder(attn_gate_values=True, alibi_pos_bias=True),
            tokens(),
            (2, "forward:*"),
        ),
        "macaron": (encoder(macaron=True, rel_pos_bias=True), tokens(), 4),
    },
    "torch_geometric": {
        "GCN": (factory("GCN"), graph(), 1),
        "GraphSAGE": (factory("GraphSAGE"), graph(), 1),
        "GIN": (factory("GIN"), graph(), 3),
        "GAT": (factory("GAT"), graph(), (1, "edge_update:*")),
        "GATv2": (factory("GAT", v2=True), graph(), (1, "edge_update:*")),
        "PNA": (
            factory(
                "PNA",
                aggregators=["mean", "max"],
                scalers=["identity"],
                deg=torch.tensor([1, 2, 3]),
            ),
            graph(),
            1,
        ),
        "DeepGCN-MLP": (make("torch_geometric", "nn.MLP", [16, 32, 4]), rows(8, 16), 1),
        "GraphUNet": (
            make("torch_geometric", "nn.GraphUNet", 16, 16, 4, depth=2),
            graph(),
            (4, "*.act"),
        ),
        "AttentiveFP": (
            make("torch_geometric", "nn.models.AttentiveFP", 16, 16, 4, 8, 2, 2),
            lambda: (
                torch.randn(8, 16),
                torch.randint(0, 8, (2, 24)),
                torch.randn(24, 8),
                torch.tensor([0] * 4 + [1] * 4),
            ),
            (11, "edge_update:59:16* edge_update:403:16*"),
        ),
    },
    "rtdl_revisiting_models": {
        "MLP": (
            make(
                "rtdl_revisiting_models",
                "MLP",
                d_in=8,
                d_out=2,
                n_blocks=3,
                d_block=16,
                dropout=0.1,
            ),
            rows(16, 8),
            3,
        ),
        "ResNet": (
            make(
                "rtdl_revisiting_models",
                "ResNet",
                d_in=8,
                d_out=2,
                n_blocks=2,
                d_block=16,
                d_hidden_multiplier=2.0,
                d_hidden=None,
                dropout1=0.1,
                dropout2=0.0,
            ),
            rows(16, 8),
            3,
        ),
        "FTTransformer": (
            lambda: (
                lambda cls: cls(
                    n_cont_features=3,
                    cat_cardinalities=[61, 61],
                    d_out=2,
                    **{**cls.get_default_kwargs(), "_is_default": False},
                )
            )(import_("rtdl_revisiting_models").FTTransformer),
            both(rows(16, 3), ids((16, 2))),
            (1, "forward:*"),
        ),
    },
    "pytorch_tabnet": {
        "TabNet": (
            make("pytorch_tabnet", "tab_network.TabNet", 8, 2, group_attention_matrix=torch.eye(8)),
            rows(16, 8),
            (3, "forward:805:49*"),
        ),
    },
    "monai": {
        "UNet": (
            make("monai", "networks.nets.UNet", 2, 1, 2, (8, 16, 32), (2, 2), 1),
            images(32, 1),
            4,
        ),
        "AttentionUnet": (
            make("monai", "networks.nets.AttentionUnet", 2, 1, 2, (8, 16, 32), (2, 2)),
            images(32, 1),
            (12, "*.psi.2"),
        ),
        "SegResNet": (make("monai", "networks.nets.SegResNet", 2, 8, 1, 2), images(32, 1), 25),
        "VNet": (make("monai", "networks.nets.VNet", 2, 1, 2), images(32, 1), 32),
        "DynUNet": (
            make(
                "monai",
                "networks.nets.DynUNet",
                2,
                1,
                2,
                [3, 3, 3],
                [1, 2, 2],
                [2, 2],
                filters=[8, 16, 32],
            ),
            images(32, 1),
            10,
        ),
        "BasicUNet": (
            make("monai", "networks.nets.BasicUNet", 2, 1, 2, (8, 8, 16, 16, 32, 8)),
            images(32, 1),
            18,
        ),
        "UNETR": (
            make("monai", "networks.nets.UNETR", 1, 2, 32, 8, 32, 64, 4, spatial_dims=2),
            images(32, 1),
            28,
        ),
        "SwinUNETR": (
            make("monai", "networks.nets.SwinUNETR", 1, 2, feature_size=12, spatial_dims=2),
            images(64, 1),
            28,
        ),
        "HighResNet": (
            make("monai", "networks.nets.HighResNet", 2, 1, 2),
            images(32, 1),
            (20, "*.11.adn.A"),
        ),
        "AutoEncoder": (
            make("monai", "networks.nets.AutoEncoder", 2, 1, 1, (8, 16), (2, 2)),
            images(32, 1),
            3,
        ),
        "VarAutoEncoder": (
            make("monai", "networks.nets.VarAutoEncoder", 2, (1, 32, 32), 1, 8, (8, 16), (2, 2)),
            images(32, 1),
            (4, "decode_forward:145:16*"),
        ),
        "Generator": (
            make("monai", "networks.nets.Generator", (8,), (16, 8, 8), (8, 1), (2, 2)),
            rows(4, 8),
            3,
        ),
        "Discriminator": (
            make("monai", "networks.nets.Discriminator", (1, 32, 32), (8, 16), (2, 2)),
            images(32, 1),
            (3, "*.lastact"),
        ),
        "SENet": (
            make(
                "monai",
                "networks.nets.SEResNet50",
                spatial_dims=2,
                in_channels=1,
                layers=(1, 1, 1, 1),
            ),
            images(64, 1),
            (17, "*.fc.3"),
        ),
    },
    "diffusers": {
        "UNet2D": (
            named(make("diffusers", "UNet2DModel", **UNET2D), "sample", "timestep"),
            both(images(16), ids((2,))),
            26,
        ),
        "UNet2DCondition": (
            named(
                make(
                    "diffusers",
                    "UNet2DConditionModel",
                    sample_size=16,
                    in_channels=3,
                    out_channels=3,
                    layers_per_block=1,
                    block_out_channels=(16, 32),
                    norm_num_groups=8,
                    down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
                    up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
                    cross_attention_dim=16,
                    attention_head_dim=8,
                ),
                "sample",
                "timestep",
                "encoder_hidden_states",
            ),
            both(images(16), ids((2,)), rows(2, 6, 16)),
            (26, "gelu:*"),
        ),
        "AutoencoderKL": (
            make("diffusers", "AutoencoderKL", block_out_channels=(16,), norm_num_groups=8),
            images(16),
            16,
        ),
        "VQModel": (
            make("diffusers", "VQModel", block_out_channels=(16,), norm_num_groups=8),
            images(16),
            16,
        ),
        "DiT": (
            named(
                make(
                    "diffusers",
                    "DiTTransformer2DModel",
                    num_attention_heads=2,
                    attention_head_dim=8,
                    in_channels=3,
                    num_layers=2,
                    sample_size=16,
                    norm_num_groups=8,
                ),
                "hidden_states",
                "timestep",
                "class_labels",
            ),
            both(images(16), ids((2,), (2,))),
            8,
        ),
        "Transformer2D": (
            make(
                "diffusers",
                "Transformer2DModel",
                num_attention_heads=2,
                attention_head_dim=8,
                in_channels=16,
                num_layers=2,
                norm_num_groups=8,
            ),
            images(16, 16),
            (0, "gelu:*"),
        ),
    },
    "open_clip": {
        "CLIP": (
            make(
                "open_clip",
                "model.CLIP",
                embed_dim=16,
                vision_cfg={
                    "image_size": 32,
                    "patch_size": 8,
                    "width": 32,
                    "layers": 2,
                    "head_width": 16,
                },
                text_cfg={
                    "context_length": 12,
                    "vocab_size": 100,
                    "width": 32,
                    "heads": 2,
                    "layers": 2,
                },
            ),
            both(images(32), ids((2, 12))),
            4,
        ),
        "CoCa": (
            make(
                "open_clip",
                "coca_model.CoCa",
                embed_dim=32,
                multimodal_cfg={
                    "context_length": 12,
                    "vocab_size": 100,
                    "width": 32,
                    "heads": 2,
                    "layers": 2,
                    "mlp_ratio": 2,
                },
                text_cfg={
                    "context_length": 12,
                    "vocab_size": 100,
                    "width": 32,
                    "heads": 2,
                    "layers": 2,
                    "embed_cls": True,
                    "output_tokens": True,
                },
                vision_cfg={
                    "image_size": 32,
                    "patch_size": 8,
                    "width": 32,
                    "layers": 2,
                    "head_width": 16,
                    "output_tokens": True,
                    "attentional_pool": True,
                    "attn_pooler_heads": 2,
                },
            ),
            both(images(32), ids((2, 12))),
            8,
        ),
    },
    "pytorchcv": {
        name: (cv(name), images(size), truth)
        for name, size, truth in (
            ("preresnet18", 64, 18),
            ("seresnet18", 64, (25, "*.sigmoid")),
            ("cbam_resnet18", 64, (33, "*.sigmoid")),
            ("bam_resnet18", 64, (29, "*.sigmoid")),
            ("resattnet56", 64, (107, "*.sigmoid")),
            ("airnet50_1x64d_r2", 64, (73, "*.sigmoid")),
            ("diaresnet20_cifar10", 32, (37, "forward:*")),
            ("peleenet", 64, 113),
            ("bagnet9", 64, 49),
            ("hardnet39ds", 64, 38),
            ("menet108_8x1_g3", 64, (65, "forward:*")),
            ("darts", 64, 162),
            ("spnasnet", 64, 43),
            ("octresnet10_ad2", 64, 15),
            ("resdropresnet20_cifar10", 32, 19),
            ("shakeshakeresnet20_2x16d_cifar10", 32, 28),
            ("fractalnet_cifar10", 32, 35),
            ("ror3_56_cifar10", 32, 49),
            ("rir_cifar10", 32, 34),
            ("scnet50", 128, (81, "*.sigmoid")),
            ("dicenet_wd5", 64, (87, "*.sigmoid")),
            ("ibn_resnet50", 64, 49),
            ("espnetv2_wd2", 64, 58),
            ("efficientnet_b0", 64, (49, "*.sigmoid")),
            ("darknet_ref", 64, (7, "*.final_activ")),
            ("sharesnet18", 64, 17),
            ("nin_cifar10", 32, (8, "*.final_conv.activ")),
        )
    },
    "conformer": {
        "block": (
            make("conformer", "ConformerBlock", dim=16, dim_head=8, heads=2),
            rows(2, 12, 16),
            (3, "forward:*"),
        )
    },
    "mlp_mixer_pytorch": {
        "MLPMixer": (
            make(
                "mlp_mixer_pytorch",
                "MLPMixer",
                image_size=32,
                channels=3,
                patch_size=8,
                dim=16,
                depth=2,
                num_classes=5,
            ),
            images(32),
            4,
        )
    },
    "g_mlp_pytorch": {
        "gMLP": (
            make("g_mlp_pytorch", "gMLP", num_tokens=100, dim=16, depth=2, seq_len=12),
            tokens(),
            2,
        ),
        "gMLPVision": (
            make(
                "g_mlp_pytorch",
                "gMLPVision",
                image_size=32,
                patch_size=8,
                num_classes=5,
                dim=16,
                depth=2,
            ),
            images(32),
            2,
        ),
    },
    "siren_pytorch": {
        "SirenNet": (
            make("siren_pytorch", "SirenNet", dim_in=2, dim_hidden=16, dim_out=3, num_layers=3),
            rows(16, 2),
            3,
        )
    },
    "egnn_pytorch": {
        "EGNN_Network": (
            make("egnn_pytorch", "EGNN_Network", num_tokens=100, dim=16, depth=2),
            both(ids((2, 6)), rows(2, 6, 3)),
            8,
        )
    },
    "linformer": {
        "LinformerLM": (
            make(
                "linformer",
                "LinformerLM",
                num_tokens=100,
                dim=16,
                seq_len=12,
                depth=2,
                heads=2,
                k=4,
            ),
            tokens(),
            2,
        )
    },
    "performer_pytorch": {
        "PerformerLM": (
            make(
                "performer_pytorch",
                "PerformerLM",
                num_tokens=100,
                max_seq_len=12,
                dim=16,
                depth=2,
                heads=2,
                dim_head=8,
            ),
            tokens(),
            2,
        )
    },
    "perceiver_pytorch": {
        "Perceiver": (
            make(
                "perceiver_pytorch",
                "Perceiver",
                num_freq_bands=2,
                depth=2,
                max_freq=10.0,
                num_latents=4,
                latent_dim=16,
                latent_dim_head=8,
                cross_dim_head=8,
                num_classes=5,
            ),
            rows(2, 8, 8, 3),
            (0, "forward:*"),
        )
    },
    "denoising_diffusion_pytorch": {
        "Unet": (
            make("denoising_diffusion_pytorch", "Unet", dim=16, dim_mults=(1, 2)),
            both(images(16), ids((2,))),
            34,
        )
    },
    "pytorch_tcn": {
        "TCN": (make("pytorch_tcn", "TCN", 4, [8, 8], output_projection=2), rows(2, 4, 16), 6)
    },
    "lambda_networks": {
        "LambdaLayer": (
            make("lambda_networks", "LambdaLayer", dim=16, dim_out=16, r=3, dim_k=8, heads=2),
            images(8, 16),
            0,
        )
    },
    "axial_attention": {
        "AxialImageTransformer": (
            make(
                "axial_attention",
                "AxialImageTransformer",
                dim=16,
                depth=2,
                heads=2,
                reversible=False,
            ),
            images(8, 16),
            4,
        )
    },
}


def entries() -> list[Entry]:
    return [
        entry(package, name, *row)
        for package, models in TABLE.items()
        for name, row in models.items()
    ]
