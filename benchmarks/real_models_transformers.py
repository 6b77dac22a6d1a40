"""transformers' families with tiny configurations: (class, configuration, names of the inputs,
truth).
"""

import torch
from real_models_entry import ByName, Entry, entry, import_

TEXT = {
    "vocab_size": 100,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
GROUPED = {**TEXT, "num_key_value_heads": 2, "head_dim": 8}
IMAGE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "image_size": 32,
    "patch_size": 8,
}
SEQ = {
    "vocab_size": 100,
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
}
T5 = {
    "vocab_size": 100,
    "d_model": 32,
    "d_kv": 8,
    "d_ff": 64,
    "num_layers": 2,
    "num_heads": 4,
    "decoder_start_token_id": 0,
}
SOUND = {
    **TEXT,
    "layerdrop": 0.0,
    "conv_dim": (16, 16),
    "conv_stride": (5, 2),
    "conv_kernel": (10, 3),
    "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
}
STAGES = {"depths": [1, 1, 1, 1], "image_size": 64}

IDS, PAIR, PIXELS, WAVE = (
    ("input_ids",),
    ("input_ids", "decoder_input_ids"),
    ("pixel_values",),
    ("input_values",),
)
TYPED = ("input_ids", "attention_mask", "token_type_ids")
BOTH = ("input_ids", "pixel_values")

TABLE = {
    "bert": ("BertForSequenceClassification", TEXT, TYPED, 3),
    "bert-mlm": ("BertForMaskedLM", TEXT, IDS, 3),
    "roberta": ("RobertaForSequenceClassification", {**TEXT, "pad_token_id": 1}, IDS, 3),
    "distilbert": (
        "DistilBertForSequenceClassification",
        {
            "vocab_size": 100,
            "dim": 32,
            "n_layers": 2,
            "n_heads": 4,
            "hidden_dim": 64,
            "max_position_embeddings": 64,
        },
        IDS,
        3,
    ),
    "albert": ("AlbertForSequenceClassification", {**TEXT, "embedding_size": 16}, TYPED, 3),
    "electra": ("ElectraForSequenceClassification", {**TEXT, "embedding_size": 16}, TYPED, 3),
    "deberta": (
        "DebertaForSequenceClassification",
        {**TEXT, "relative_attention": True, "pos_att_type": ["c2p", "p2c"]},
        IDS,
        3,
    ),
    "deberta-v2": (
        "DebertaV2ForSequenceClassification",
        {**TEXT, "relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_buckets": 8},
        IDS,
        3,
    ),
    "longformer": ("LongformerForSequenceClassification", {**TEXT, "attention_window": 4}, IDS, 3),
    "big_bird": (
        "BigBirdForSequenceClassification",
        {**TEXT, "attention_type": "original_full"},
        IDS,
        (3, "*.activation"),
    ),
    "mobilebert": (
        "MobileBertForSequenceClassification",
        {**TEXT, "embedding_size": 16, "intra_bottleneck_size": 16, "num_feedforward_networks": 2},
        IDS,
        5,
    ),
    "squeezebert": ("SqueezeBertForSequenceClassification", {**TEXT, "embedding_size": 32}, IDS, 3),
    "funnel": (
        "FunnelForSequenceClassification",
        {
            "vocab_size": 100,
            "block_sizes": [1, 1],
            "num_decoder_layers": 1,
            "d_model": 32,
            "n_head": 4,
            "d_head": 8,
            "d_inner": 64,
        },
        IDS,
        3,
    ),
    "mpnet": ("MPNetForSequenceClassification", TEXT, IDS, 3),
    "fnet": ("FNetForSequenceClassification", TEXT, IDS, 3),
    "convbert": ("ConvBertForSequenceClassification", {**TEXT, "embedding_size": 32}, IDS, 3),
    "modernbert": ("ModernBertForSequenceClassification", TEXT, IDS, (1, "*.mlp.act")),
    "canine": (
        "CanineForSequenceClassification",
        {
            **TEXT,
            "num_hash_buckets": 64,
            "upsampling_kernel_size": 2,
            "local_transformer_stride": 8,
            "downsampling_rate": 4,
        },
        IDS,
        7,
    ),
    "rembert": (
        "RemBertForSequenceClassification",
        {**TEXT, "input_embedding_size": 16, "output_embedding_size": 16},
        IDS,
        3,
    ),
    "xlnet": (
        "XLNetForSequenceClassification",
        {"vocab_size": 100, "d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 64},
        IDS,
        3,
    ),
    "gpt2": (
        "GPT2LMHeadModel",
        {"vocab_size": 100, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64},
        IDS,
        2,
    ),
    "gpt_neo": (
        "GPTNeoForCausalLM",
        {
            "vocab_size": 100,
            "hidden_size": 32,
            "num_layers": 2,
            "num_heads": 4,
            "attention_types": [[["global", "local"], 1]],
            "max_position_embeddings": 64,
        },
        IDS,
        2,
    ),
    "gpt_neox": ("GPTNeoXForCausalLM", TEXT, IDS, 2),
    "gptj": (
        "GPTJForCausalLM",
        {
            "vocab_size": 100,
            "n_embd": 32,
            "n_layer": 2,
            "n_head": 4,
            "n_positions": 64,
            "rotary_dim": 4,
        },
        IDS,
        2,
    ),
    "gpt_bigcode": (
        "GPTBigCodeForCausalLM",
        {"vocab_size": 100, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64},
        IDS,
        2,
    ),
    "openai-gpt": (
        "OpenAIGPTLMHeadModel",
        {"vocab_size": 100, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64},
        IDS,
        2,
    ),
    "opt": ("OPTForCausalLM", {**TEXT, "ffn_dim": 64, "word_embed_proj_dim": 32}, IDS, 2),
    "bloom": (
        "BloomForCausalLM",
        {"vocab_size": 100, "hidden_size": 32, "n_layer": 2, "n_head": 4},
        IDS,
        2,
    ),
    "codegen": (
        "CodeGenForCausalLM",
        {
            "vocab_size": 100,
            "n_embd": 32,
            "n_layer": 2,
            "n_head": 4,
            "n_positions": 64,
            "rotary_dim": 4,
        },
        IDS,
        2,
    ),
    "falcon": ("FalconForCausalLM", TEXT, IDS, 2),
    "mpt": (
        "MptForCausalLM",
        {"vocab_size": 100, "d_model": 32, "n_layers": 2, "n_heads": 4, "max_seq_len": 64},
        IDS,
        2,
    ),
    "llama": ("LlamaForCausalLM", GROUPED, IDS, (0, "*.act_fn")),
    "mistral": ("MistralForCausalLM", GROUPED, IDS, (0, "*.act_fn")),
    "mixtral": ("MixtralForCausalLM", {**GROUPED, "num_local_experts": 4}, IDS, (0, "*.act_fn")),
    "qwen2": ("Qwen2ForCausalLM", GROUPED, IDS, (0, "*.act_fn")),
    "qwen3": ("Qwen3ForCausalLM", GROUPED, IDS, (0, "*.act_fn")),
    "qwen2_moe": (
        "Qwen2MoeForCausalLM",
        {
            **GROUPED,
            "num_experts": 4,
            "moe_intermediate_size": 32,
            "shared_expert_intermediate_size": 32,
        },
        IDS,
        (0, "*.act_fn forward:*"),
    ),
    "gemma": ("GemmaForCausalLM", GROUPED, IDS, (0, "*.act_fn")),
    "gemma2": (
        "Gemma2ForCausalLM",
        GROUPED,
        IDS,
        (0, "eager_attention_forward:* *.act_fn forward:*"),
    ),
    "phi": ("PhiForCausalLM", TEXT, IDS, 2),
    "phi3": ("Phi3ForCausalLM", {**GROUPED, "pad_token_id": 0}, IDS, (0, "*.activation_fn")),
    "olmo": ("OlmoForCausalLM", TEXT, IDS, (0, "*.act_fn")),
    "starcoder2": ("Starcoder2ForCausalLM", GROUPED, IDS, 2),
    "cohere": ("CohereForCausalLM", GROUPED, IDS, (0, "*.act_fn")),
    "nemotron": ("NemotronForCausalLM", GROUPED, IDS, 2),
    "mamba": (
        "MambaForCausalLM",
        {
            "vocab_size": 100,
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "state_size": 4,
            "pad_token_id": 0,
        },
        IDS,
        (2, "forward:206:* forward:273:*"),
    ),
    "mamba2": (
        "Mamba2ForCausalLM",
        {
            "vocab_size": 100,
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "state_size": 8,
            "num_heads": 8,
            "head_dim": 8,
            "n_groups": 1,
            "chunk_size": 4,
            "pad_token_id": 0,
        },
        IDS,
        (2, "forward:278:* *.norm"),
    ),
    "rwkv": (
        "RwkvForCausalLM",
        {"vocab_size": 100, "hidden_size": 32, "num_hidden_layers": 2, "attention_hidden_size": 32},
        IDS,
        (2, "extract_key_value:* forward:317:21*"),
    ),
    "t5": ("T5ForConditionalGeneration", T5, PAIR, 4),
    "t5-gated": (
        "T5ForConditionalGeneration",
        {**T5, "feed_forward_proj": "gated-gelu"},
        PAIR,
        (0, "*.act"),
    ),
    "mt5": ("MT5ForConditionalGeneration", T5, PAIR, (0, "*.act")),
    "longt5": ("LongT5ForConditionalGeneration", {**T5, "local_radius": 4}, PAIR, 4),
    "switch_transformers": (
        "SwitchTransformersForConditionalGeneration",
        {**T5, "num_experts": 2},
        PAIR,
        17,
    ),
    "bart": ("BartForConditionalGeneration", SEQ, PAIR, 4),
    "mbart": ("MBartForConditionalGeneration", SEQ, PAIR, 4),
    "pegasus": ("PegasusForConditionalGeneration", SEQ, PAIR, 4),
    "blenderbot": ("BlenderbotForConditionalGeneration", SEQ, PAIR, 4),
    "marian": ("MarianMTModel", SEQ, PAIR, 4),
    "m2m_100": ("M2M100ForConditionalGeneration", SEQ, PAIR, 4),
    "led": (
        "LEDForConditionalGeneration",
        {
            **SEQ,
            "attention_window": 4,
            "max_encoder_position_embeddings": 64,
            "max_decoder_position_embeddings": 64,
        },
        PAIR,
        4,
    ),
    "prophetnet": (
        "ProphetNetForConditionalGeneration",
        {
            "vocab_size": 100,
            "hidden_size": 32,
            "num_encoder_layers": 2,
            "num_decoder_layers": 2,
            "num_encoder_attention_heads": 4,
            "num_decoder_attention_heads": 4,
            "encoder_ffn_dim": 64,
            "decoder_ffn_dim": 64,
            "max_position_embeddings": 64,
        },
        PAIR,
        4,
    ),
    "whisper": (
        "WhisperForConditionalGeneration",
        {**SEQ, "num_mel_bins": 8, "max_source_positions": 16, "max_target_positions": 32},
        ("input_features", "decoder_input_ids"),
        6,
    ),
    "speech_to_text": (
        "Speech2TextForConditionalGeneration",
        {
            **SEQ,
            "input_feat_per_channel": 8,
            "max_source_positions": 32,
            "max_target_positions": 32,
            "conv_channels": 16,
        },
        ("input_features", "decoder_input_ids"),
        4,
    ),
    "wav2vec2": ("Wav2Vec2ForCTC", SOUND, WAVE, 5),
    "hubert": ("HubertForCTC", SOUND, WAVE, 5),
    "wavlm": ("WavLMForCTC", SOUND, WAVE, (5, "forward:*")),
    "wav2vec2-conformer": ("Wav2Vec2ConformerForCTC", SOUND, WAVE, 8),
    "sew": ("SEWForCTC", {**SOUND, "squeeze_factor": 2}, WAVE, 6),
    "audio-spectrogram-transformer": (
        "ASTForAudioClassification",
        {**IMAGE, "max_length": 32, "num_mel_bins": 16, "frequency_stride": 8, "time_stride": 8},
        ("spectrogram",),
        2,
    ),
    "vit": ("ViTForImageClassification", IMAGE, PIXELS, 2),
    "deit": ("DeiTForImageClassificationWithTeacher", IMAGE, PIXELS, 2),
    "beit": ("BeitForImageClassification", IMAGE, PIXELS, 2),
    "dinov2": ("Dinov2ForImageClassification", IMAGE, PIXELS, 2),
    "dinov2-swiglu": (
        "Dinov2ForImageClassification",
        {**IMAGE, "use_swiglu_ffn": True},
        PIXELS,
        (0, "*.act_fn"),
    ),
    "siglip_vision_model": ("SiglipVisionModel", IMAGE, PIXELS, 3),
    "convnext": (
        "ConvNextForImageClassification",
        {**STAGES, "hidden_sizes": [16, 16, 32, 32]},
        PIXELS,
        4,
    ),
    "resnet": (
        "ResNetForImageClassification",
        {"embedding_size": 16, "hidden_sizes": [16, 32, 32, 32], "depths": [1, 1, 1, 1]},
        PIXELS,
        13,
    ),
    "regnet": (
        "RegNetForImageClassification",
        {
            "embedding_size": 16,
            "hidden_sizes": [16, 32, 32, 32],
            "depths": [1, 1, 1, 1],
            "groups_width": 8,
        },
        PIXELS,
        (17, "*.attention.3"),
    ),
    "mobilevit": (
        "MobileViTForImageClassification",
        {
            "image_size": 64,
            "hidden_sizes": [16, 24, 32],
            "neck_hidden_sizes": [8, 8, 16, 16, 24, 24, 32],
        },
        PIXELS,
        34,
    ),
    "mobilenet_v2": (
        "MobileNetV2ForImageClassification",
        {"image_size": 64, "depth_multiplier": 0.35},
        PIXELS,
        35,
    ),
    "efficientnet": (
        "EfficientNetForImageClassification",
        {"image_size": 64, "width_coefficient": 0.35, "depth_coefficient": 0.5, "hidden_dim": 448},
        PIXELS,
        (31, "*.act_expand"),
    ),
    "segformer": (
        "SegformerForSemanticSegmentation",
        {
            "depths": [1, 1, 1, 1],
            "hidden_sizes": [8, 16, 24, 32],
            "num_attention_heads": [1, 2, 2, 4],
            "decoder_hidden_size": 16,
        },
        PIXELS,
        5,
    ),
    "swin": (
        "SwinForImageClassification",
        {
            "image_size": 64,
            "embed_dim": 16,
            "depths": [1, 1],
            "num_heads": [2, 2],
            "window_size": 4,
        },
        PIXELS,
        2,
    ),
    "swinv2": (
        "Swinv2ForImageClassification",
        {
            "image_size": 64,
            "embed_dim": 16,
            "depths": [1, 1],
            "num_heads": [2, 2],
            "window_size": 4,
        },
        PIXELS,
        (4, "forward:*"),
    ),
    "poolformer": (
        "PoolFormerForImageClassification",
        {"depths": [1, 1, 1, 1], "hidden_sizes": [8, 16, 24, 32]},
        PIXELS,
        4,
    ),
    "levit": (
        "LevitForImageClassification",
        {
            "image_size": 64,
            "hidden_sizes": [16, 32, 32],
            "depths": [1, 1, 1],
            "num_attention_heads": [2, 2, 2],
            "key_dim": [8, 8, 8],
        },
        PIXELS,
        13,
    ),
    "focalnet": (
        "FocalNetForImageClassification",
        {
            "image_size": 64,
            "embed_dim": 16,
            "depths": [1, 1],
            "focal_levels": [2, 2],
            "focal_windows": [3, 3],
        },
        PIXELS,
        8,
    ),
    "dpt": (
        "DPTForDepthEstimation",
        {
            **IMAGE,
            "num_hidden_layers": 4,
            "backbone_out_indices": [0, 1, 2, 3],
            "neck_hidden_sizes": [8, 8, 8, 8],
            "fusion_hidden_size": 16,
            "reassemble_factors": [4, 2, 1, 0.5],
        },
        PIXELS,
        (23, "*.head.5"),
    ),
    "clip": (
        "CLIPModel",
        {"text_config": TEXT, "vision_config": IMAGE, "projection_dim": 16},
        BOTH,
        4,
    ),
    "siglip": ("SiglipModel", {"text_config": TEXT, "vision_config": IMAGE}, BOTH, 5),
    "vilt": ("ViltForQuestionAnswering", {**TEXT, **IMAGE}, BOTH, 4),
    "perceiver": (
        "PerceiverForSequenceClassification",
        {
            "vocab_size": 262,
            "d_latents": 16,
            "d_model": 32,
            "num_latents": 8,
            "num_self_attends_per_block": 2,
            "num_self_attention_heads": 4,
            "num_cross_attention_heads": 4,
            "max_position_embeddings": 12,
        },
        ("inputs",),
        4,
    ),
    "decision_transformer": (
        "DecisionTransformerModel",
        {
            "state_dim": 4,
            "act_dim": 2,
            "hidden_size": 32,
            "max_ep_len": 64,
            "n_layer": 2,
            "n_head": 4,
        },
        ("states", "actions", "rewards", "returns_to_go", "timesteps", "attention_mask_3"),
        (2, "*.predict_action.1"),
    ),
    "time_series_transformer": (
        "TimeSeriesTransformerForPrediction",
        {
            "prediction_length": 4,
            "context_length": 8,
            "lags_sequence": [1, 2],
            "num_time_features": 1,
            "d_model": 32,
            "encoder_layers": 2,
            "decoder_layers": 2,
            "encoder_ffn_dim": 32,
            "decoder_ffn_dim": 32,
        },
        (
            "past_values",
            "past_time_features",
            "past_observed_mask",
            "future_values",
            "future_time_features",
        ),
        (4, "forward:*"),
    ),
    "patchtst": (
        "PatchTSTForPrediction",
        {
            "context_length": 16,
            "prediction_length": 4,
            "num_input_channels": 2,
            "patch_length": 4,
            "patch_stride": 4,
            "d_model": 32,
            "num_attention_heads": 4,
            "num_hidden_layers": 2,
            "ffn_dim": 64,
        },
        ("series",),
        2,
    ),
    "patchtsmixer": (
        "PatchTSMixerForPrediction",
        {
            "context_length": 16,
            "prediction_length": 4,
            "num_input_channels": 2,
            "patch_length": 4,
            "patch_stride": 4,
            "d_model": 16,
            "num_layers": 2,
        },
        ("series",),
        4,
    ),
    "nystromformer": (
        "NystromformerForSequenceClassification",
        {**TEXT, "num_landmarks": 4, "segment_means_seq_len": 12},
        IDS,
        3,
    ),
    "yoso": ("YosoForSequenceClassification", {**TEXT, "use_expectation": True}, IDS, 3),
    "ibert": ("IBertForSequenceClassification", {**TEXT, "pad_token_id": 1}, IDS, 3),
    "flaubert": (
        "FlaubertForSequenceClassification",
        {
            "vocab_size": 100,
            "n_words": 100,
            "emb_dim": 32,
            "n_layers": 2,
            "n_heads": 4,
            "max_position_embeddings": 64,
        },
        IDS,
        2,
    ),
    "reformer": (
        "ReformerForSequenceClassification",
        {
            "vocab_size": 100,
            "hidden_size": 32,
            "num_attention_heads": 2,
            "attention_head_size": 16,
            "attn_layers": ["local", "local"],
            "feed_forward_size": 64,
            "axial_pos_shape": [3, 4],
            "axial_pos_embds_dim": [16, 16],
            "local_attn_chunk_length": 4,
            "is_decoder": False,
            "max_position_embeddings": 12,
        },
        IDS,
        3,
    ),
    "granite": ("GraniteForCausalLM", GROUPED, IDS, (0, "*.act_fn")),
    "lfm2": ("Lfm2ForCausalLM", GROUPED, IDS, (0, "forward:*")),
}


def value(name):
    """An input of a batch of two, by its name; tokens where the name is not in the list."""

    def ids(*shape):
        return torch.randint(3, 100, shape)

    makers = {
        "pixel_values": lambda: torch.randn(2, 3, 64, 64),
        "input_values": lambda: torch.randn(2, 800),
        "spectrogram": lambda: torch.randn(2, 32, 16),
        "attention_mask": lambda: torch.ones(2, 12, dtype=torch.long),
        "token_type_ids": lambda: torch.zeros(2, 12, dtype=torch.long),
        "bbox": lambda: ids(2, 12, 4).clamp(max=63),
        "inputs": lambda: ids(2, 12),
        "series": lambda: torch.randn(2, 16, 2),
        "states": lambda: torch.randn(2, 3, 4),
        "actions": lambda: torch.randn(2, 3, 2),
        "rewards": lambda: torch.randn(2, 3, 1),
        "returns_to_go": lambda: torch.randn(2, 3, 1),
        "timesteps": lambda: ids(2, 3).clamp(max=60),
        "attention_mask_3": lambda: torch.ones(2, 3),
        "past_values": lambda: torch.rand(2, 10),
        "past_time_features": lambda: torch.randn(2, 10, 1),
        "past_observed_mask": lambda: torch.ones(2, 10),
        "future_values": lambda: torch.rand(2, 4),
        "future_time_features": lambda: torch.randn(2, 4, 1),
    }
    make = makers.get(name)
    return ids(2, 12) if make is None else make()


ALIASES = {
    "spectrogram": "input_values",
    "series": "past_values",
    "attention_mask_3": "attention_mask",
}
"""Keywords of inputs that have a name of their own here, because their shape is another one."""


def builder(name, options, names):
    """What builds a model that is called with keywords."""

    def build():
        cls = getattr(import_("transformers"), name)
        torch.manual_seed(0)
        model = cls(cls.config_class(**options))
        return ByName(model, tuple(ALIASES.get(name, name) for name in names))

    return build


def batch(cls, names, options):
    """What makes the inputs of a model."""

    def make():
        torch.manual_seed(1)
        values = {name: value(name) for name in names}
        size = options.get("vision_config", options).get("image_size")
        if "pixel_values" in names and size:
            values["pixel_values"] = torch.randn(2, 3, size, size)
        if "input_features" in names:
            shape = (2, 8, 32) if "Whisper" in cls else (2, 32, 8)
            values["input_features"] = torch.randn(shape)
        return tuple(values.values())

    return make


def entries() -> list[Entry]:
    models = []
    for name, (cls, options, names, truth) in TABLE.items():
        build, inputs = builder(cls, options, names), batch(cls, names, options)
        models.append(entry("transformers", name, build, inputs, truth))
    return models
